package graph

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/opencontainers/go-digest"
)

// A build that only lays results of other steps upon its base image is told as such, with
// the steps in their order; others with what keeps them from it.
func TestLinked(t *testing.T) {
	env, other := llb.Image(ref("env")), llb.Image(ref("os"))
	tool := llb.Image(ref("os")).Run(shlex("make tool"), named("RUN make tool")).Root()
	lay := func(st, what llb.State) llb.State { return llb.Merge([]llb.State{st, what}, named("LINK")) }
	sum := llb.Checksum(digest.FromString("x"))
	for _, tt := range []struct {
		name  string
		st    llb.State
		steps int
		why   string
	}{
		{"one link", linkStep(env, "x"), 1, ""},
		{"several", linkStep(linkStep(lay(env, llb.Scratch().File(llb.Copy(tool, "/a", "/b"))), "x"), "y"), 3, ""},
		{"nothing", env, 0, ""},
		{"two in one merge", llb.Merge([]llb.State{env, tool, linkStep(other, "x")}), 2, ""},
		{"what is fetched by its checksum", lay(env, llb.HTTP("https://a.example/x", sum)), 1, ""},
		{"one commit", lay(env, llb.Git("https://a.example/x.git", strings.Repeat("ab", 20))), 1, ""},
		{"a copy", copyStep(env, "x"), 0, `"[stage-1 2/3] COPY x" needs the files of the image below it`},
		{"a copy below a link", linkStep(copyStep(env, "x"), "y"), 0, `"[stage-1 2/3] COPY x" needs the files`},
		{"a step above a link", linkStep(env, "x").Run(shlex("true"), named("RUN true")).Root(), 0, `"RUN true" needs the files`},
		{"what may change", lay(env, llb.HTTP("https://me:word@a.example/x")), 0, "https://xxxxx:xxxxx@a.example/x may be something else each time"},
		{"below another step", lay(env, llb.Scratch().File(llb.Copy(llb.HTTP("https://a.example/x"), "/", "/"))), 0, "https://a.example/x may be"},
		{"a branch", lay(env, llb.Git("https://a.example/x.git", "main")), 0, "may be something else each time"},
		{"no base", linkStep(llb.Local("context"), "x"), 0, "not built on an image"},
		{"layers that are not known", linkStep(llb.Image(ref("strange")), "x"), 0, "whose layers are known"},
	} {
		g := read(t, tt.st)
		if more := slices.Contains([]string{"a step above a link", "no base", "layers that are not known"}, tt.name); g.Copies == more {
			t.Errorf("%s: that it only copies onto its base is %v", tt.name, g.Copies)
		}
		switch {
		case tt.why != "" && (g.Linked != nil || !strings.Contains(g.Unlinked, tt.why)):
			t.Errorf("%s: it is linked %+v, or not since %q, want %q", tt.name, g.Linked, g.Unlinked, tt.why)
		case tt.why == "" && g.Linked == nil:
			t.Errorf("%s: it is not linked: %s", tt.name, g.Unlinked)
		case tt.why == "" && (len(g.Linked.Steps) != tt.steps || g.Linked.Base.Ref != ref("env")):
			t.Errorf("%s: %d steps on %s, want %d", tt.name, len(g.Linked.Steps), g.Linked.Base.Ref, tt.steps)
		}
	}
}

// Linked steps are equal on all bases, and in their order; others are not.
func TestLinkedStepsAreTheSameOnAllBases(t *testing.T) {
	env, other := llb.Image(ref("env")), llb.Image(ref("os"))
	steps := func(st llb.State) []ID { return read(t, st).Linked.Steps }
	x := steps(linkStep(linkStep(env, "x"), "y"))
	if !slices.Equal(x, steps(linkStep(linkStep(other, "x"), "y"))) {
		t.Error("the same steps are others on another base")
	}
	for name, st := range map[string]llb.State{
		"in another order": linkStep(linkStep(env, "y"), "x"),
		"with less":        linkStep(env, "x"),
		"of another file":  linkStep(linkStep(env, "x"), "z"),
	} {
		if slices.Equal(x, steps(st)) {
			t.Errorf("steps %s are the same", name)
		}
	}
}
