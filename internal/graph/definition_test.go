package graph

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

func TestGraphs(t *testing.T) {
	os, env := llb.Image(ref("os")), llb.Image(ref("env"))
	made := os.Run(shlex("make")).Root()
	tests := []struct {
		name  string
		state llb.State
		want  string
	}{
		{"a chain of steps", copyStep(os.Run(shlex("make")).Root(), "x"), `
			layer()
			layer(a)
			step(b) mount / from exec make on (b)
			source() local source on ()
			step(c,d) COPY x on (c)`},
		{"on nothing", copyStep(llb.Scratch(), "x"), `
			source() local source on ()
			step(a) COPY x on ()`},
		{"on an image without layers", copyStep(llb.Image(ref("empty")), "x"), `
			source() local source on ()
			step(a) COPY x on ()`},
		{"on an image that nobody knows", llb.Image(ref("unheard")).Run(shlex("make")).Root(), `
			source()
			step(a) mount / from exec make on (a)`},
		{"two images with a common layer", env.File(llb.Copy(os, "a", "b"), named("COPY --from=os a b")), `
			layer()
			layer(a)
			layer(b)
			step(c,b) COPY --from=os a b on (c)`},
		{"mounts", os.Run(shlex("make"),
			llb.AddMount("/cache", llb.Scratch(), llb.AsPersistentCacheDir("id", llb.CacheMountShared)),
			llb.AddMount("/env", env, llb.Readonly),
			llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs())).Root(), `
			layer()
			layer(a)
			layer(b)
			step(b,c) mount / from exec make on (b)`},
		{"several actions", os.File(llb.Mkdir("/a", 0o755).Mkfile("/a/b", 0o644, nil).Rm("/c"), named("[3/3] WORKDIR /a")), `
			layer()
			layer(a)
			step(b) WORKDIR /a on (b)`},
		{"links", linkStep(linkStep(os, "x"), "y").Run(shlex("make")).Root(), `
			layer()
			layer(a)
			source() local source on ()
			step(c) COPY --link x on ()
			step(b,d) LINK COPY --link x on (b,d)
			step(c) COPY --link y on ()
			step(e,f) LINK COPY --link y on (b,d,f)
			step(g) mount / from exec make on (g)`},
		{"the same link twice", linkStep(linkStep(os, "x"), "x"), `
			layer()
			layer(a)
			source() local source on ()
			step(c) COPY --link x on ()
			step(b,d) LINK COPY --link x on (b,d)
			step(e,d) LINK COPY --link x on (b,d)`},
		{"a link to an image without layers", copyStep(linkStep(llb.Image(ref("empty")), "x"), "y"), `
			source() local source on ()
			step(a) COPY --link x on ()
			step(b,a) COPY y on (b)`},
		{"a difference", llb.Diff(os, made, named("diff")), `
			layer()
			layer(a)
			step(b) mount / from exec make on (b)
			step(b,c) diff on (b,c)`},
		{"a merge of a difference", llb.Merge([]llb.State{env, llb.Diff(os, made, named("diff"))}, named("merge")), `
			layer()
			layer(a)
			layer(b)
			step(b) mount / from exec make on (b)
			step(b,d) diff on (b,d)
			step(c,e) merge on (c,e)`},
		{"the difference to nothing", llb.Diff(llb.Image(ref("empty")), made, named("diff")).Run(shlex("more")).Root(), `
			layer()
			layer(a)
			step(b) mount / from exec make on (b)
			step(c) mount / from exec more on (c)`},
		{"the difference to itself", llb.Diff(made, made, named("diff")).Run(shlex("more")).Root(), `
			layer()
			layer(a)
			step(b) mount / from exec make on (b)
			step() mount / from exec more on ()`},
		{"what is left of a difference", llb.Diff(made, llb.Image(ref("empty")), named("diff")), `
			layer()
			layer(a)
			step(b) mount / from exec make on (b)
			step(c) diff on (c)`},
		{"a pass", llb.NewPassthrough("id", []llb.PassthroughInput{{State: env}, {State: os, Output: true}}).Run(shlex("make")).Root(), `
			layer()
			layer(a)
			layer(b)
			step(b) mount / from exec make on (b)`},
		{"without a name", os.File(llb.Mkdir("/a", 0o755)), `
			layer()
			layer(a)
			step(b)  on (b)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.TrimSpace(strings.ReplaceAll(tt.want, "\t", ""))
			if got := lines(read(t, tt.state)); got != want {
				t.Errorf("graph:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// What is made stands on the image that its files begin with, whatever else it reads.
func TestBases(t *testing.T) {
	os, env := llb.Image(ref("os")), llb.Image(ref("env"))
	for name, tt := range map[string]struct {
		state llb.State
		want  string
	}{
		"a step":          {env.Run(shlex("make"), llb.AddMount("/os", os, llb.Readonly)).Root(), "env"},
		"a copy of files": {copyStep(env.File(llb.Copy(os, "a", "b"), named("COPY --from=os a b")), "x"), "env"},
		"a link":          {linkStep(env, "x").Run(shlex("make")).Root(), "env"},
		"an image":        {os, "os"},
		"nothing":         {copyStep(llb.Scratch(), "x"), ""},
		"copies of files": {llb.Scratch().File(llb.Copy(os, "a", "b"), named("COPY --from=os a b")), "os"}, // it cannot be told
	} {
		var bases []string
		for _, i := range read(t, tt.state).Bases() {
			bases = append(bases, i.Ref)
		}
		want := tt.want
		if want != "" {
			want = ref(want)
		}
		if got := strings.Join(bases, " "); got != want {
			t.Errorf("%s: stands on %q, want %q", name, got, want)
		}
	}
}

// A step may leave several records: its root, and what it wrote to other mounts.
func TestStepsWithSeveralOutputs(t *testing.T) {
	os := llb.Image(ref("os"))
	run := os.Run(shlex("make"), llb.Dir("/"))
	out := run.AddMount("/out", llb.Scratch())
	both := run.Root().File(llb.Copy(out, "/", "/out"), named("COPY --from=out / /out"))
	above := out.Run(shlex("more")).Root()

	g := read(t, llb.Merge([]llb.State{both, above}, named("merge")))
	want := strings.TrimSpace(strings.ReplaceAll(`
		layer()
		layer(a)
		step(b) mount / from exec make on (b) mount /out from exec make on ()
		step(c) COPY --from=out / /out on (c)
		step(c) mount / from exec more on (c)
		step(d,e) merge on (d,e)`, "\t", ""))
	if got := lines(g); got != want {
		t.Errorf("graph:\n%s\nwant:\n%s", got, want)
	}
}

// top is the identity of the last vertex of a state's graph.
func top(t testing.TB, st llb.State, dir string) ID {
	t.Helper()
	g, _ := parse(t, st).Graph(surroundings(dir))
	return g.Vertices[len(g.Vertices)-1].ID
}

func TestIdentity(t *testing.T) {
	os := llb.Image(ref("os"))
	local := func(opts ...llb.LocalOption) llb.State {
		return os.File(llb.Copy(llb.Local("context", opts...), "a", "b"), named("COPY a b"))
	}
	link := linkStep(os, "x")
	layout := func(session string) llb.State {
		at := "name@" + digest.FromString("layout").String()
		return llb.OCILayout(at, llb.OCIStore(session, "store")).Run(shlex("make")).Root()
	}
	tests := []struct {
		name       string
		a, b       llb.State
		dirA, dirB string
		equal      bool
	}{
		{"another session", local(llb.SessionID("1")), local(llb.SessionID("2")), "/d", "/d", true},
		{"another part of the directory is sent", local(llb.FollowPaths([]string{"a"})), local(llb.FollowPaths([]string{"a", "c"})), "/d", "/d", true},
		{"another directory", local(), local(), "/d", "/e", false},
		{"another place in the Dockerfile", os.File(llb.Mkdir("/a", 0o755), named("[1/2] WORKDIR /a")), os.File(llb.Mkdir("/a", 0o755), named("[3/4] workdir a")), "", "", true},
		{"another proxy", os.Run(shlex("make"), llb.WithProxy(llb.ProxyEnv{HTTPProxy: "a"})).Root(), os.Run(shlex("make")).Root(), "", "", true},
		{"another argument", os.AddEnv("A", "1").Run(shlex("make")).Root(), os.AddEnv("A", "2").Run(shlex("make")).Root(), "", "", false},
		{"another image with the same layers", llb.Image(ref("os")).Run(shlex("make")).Root(), llb.Image(strings.Replace(ref("os"), ":latest", ":12", 1)).Run(shlex("make")).Root(), "", "", true},
		{"another image", os.Run(shlex("make")).Root(), llb.Image(ref("env")).Run(shlex("make")).Root(), "", "", false},
		{"another platform", os.Run(shlex("make")).Root(), os.Run(shlex("make"), llb.LinuxArm64).Root(), "", "", false},
		{"the content of a link, on another base", linkStep(llb.Image(ref("env")), "x"), link, "", "", false},
		{"another session of an image layout", layout("1"), layout("2"), "", "", true},
		{"another git commit", llb.Git("https://x/y.git", "1").Run(shlex("make")).Root(), llb.Git("https://x/y.git", "2").Run(shlex("make")).Root(), "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := top(t, tt.a, tt.dirA) == top(t, tt.b, tt.dirB); got != tt.equal {
				t.Errorf("equal: %t, want %t", got, tt.equal)
			}
		})
	}
	content := func(st llb.State) ID {
		g := read(t, st)
		return g.Vertices[slices.IndexFunc(g.Vertices, func(v Vertex) bool { return v.Name == "[2/3] COPY --link x" })].ID
	}
	if content(link) != content(linkStep(llb.Image(ref("env")), "x")) {
		t.Error("the content of a link is another on another base image")
	}
}

// The progress of a build reports the digests of operations: each is a vertex.
// Each step is found by the digest that a builder's progress reports of it.
func TestPlacesOfADefinition(t *testing.T) {
	d := parse(t, linkStep(llb.Image(ref("env")), "x"))
	g, places := d.Graph(surroundings("/ctx"))
	steps := 0
	for _, o := range d.ops {
		id, ok := places.Of(o.reported, "")
		at := slices.IndexFunc(g.Vertices, func(v Vertex) bool { return v.ID == id })
		switch {
		case strings.HasPrefix(o.op.GetSource().GetIdentifier(), imageScheme):
			if top := g.Images[0].Layers[len(g.Images[0].Layers)-1]; !ok || id != top {
				t.Errorf("%q is not at the image's topmost layer", o.name)
			}
		case !ok || at < 0:
			t.Errorf("%q is nowhere", o.name)
		default:
			steps++
			if got := g.Vertices[at].Name; got != o.name && g.Vertices[at].Kind != Source {
				t.Errorf("%q is at %q", o.name, got)
			}
		}
	}
	if steps != 3 { // the directory, the content, the merge
		t.Errorf("%d vertices, want 3", steps)
	}
}

func TestImagesOfADefinition(t *testing.T) {
	arm := llb.Image(ref("env"), llb.LinuxArm64)
	d := parse(t, llb.Image(ref("unheard")).File(llb.Copy(arm, "a", "b"), named("COPY")))
	g, _ := d.Graph(surroundings(""))
	unheard, env := g.Images[0], g.Images[1]
	if !unheard.Unknown || unheard.Digest != digest.FromString("unheard").String() || len(unheard.Layers) != 1 {
		t.Errorf("an image that nobody knows: %+v", unheard)
	}
	if env.Unknown || env.Ref != ref("env") || env.Digest != digest.FromString("env").String() || env.Platform != "linux/arm64" ||
		!slices.Equal(env.Layers, LayerIDs([]string{"os", "deb", "env"})) {
		t.Errorf("an image that is known: %+v", env)
	}
	if g, _ := parse(t, copyStep(llb.Image(ref("empty")), "x")).Graph(surroundings("")); len(g.Images) != 1 || len(g.Images[0].Layers) != 0 || g.Images[0].Unknown {
		t.Errorf("an image without layers: %+v", g.Images)
	}
}

func TestDefinitionsThatDoNotParse(t *testing.T) {
	if _, err := ParseDefinition(&pb.Definition{Def: [][]byte{{0xff}}}); err == nil {
		t.Error("what is no operation is read")
	}
	d, err := ParseDefinition(nil)
	if err != nil {
		t.Fatal(err)
	}
	if g, _ := d.Graph(Surroundings{}); len(g.Vertices) != 0 {
		t.Errorf("the graph of nothing: %+v", g)
	}
}

// FuzzDefinition reads operations from bytes, each with its length before it, and
// has their inputs be operations that came before. Whatever they say, nothing may
// panic, and the graph must hold together.
func FuzzDefinition(f *testing.F) {
	os := llb.Image(ref("os"))
	made := os.Run(shlex("make"), llb.AddMount("/out", llb.Scratch())).Root()
	for _, st := range []llb.State{
		linkStep(linkStep(made, "x"), "y"),
		llb.Diff(os, made),
		llb.NewPassthrough("id", []llb.PassthroughInput{{State: made, Output: true}}).File(llb.Mkdir("/a", 0o755).Rm("/b")),
		llb.Git("https://x/y.git", "1").Run(shlex("make")).Root(),
	} {
		var seed []byte
		for _, o := range parse(f, st).ops {
			raw, err := o.op.MarshalVT()
			if err != nil {
				f.Fatal(err)
			}
			seed = append(append(seed, byte(len(raw)>>8), byte(len(raw))), raw...)
		}
		f.Add(seed)
	}
	for _, op := range []*pb.Op{
		{Op: &pb.Op_Exec{Exec: &pb.ExecOp{Mounts: []*pb.Mount{{Output: 1 << 40}, {Output: 1}}}}},
		{Op: &pb.Op_File{File: &pb.FileOp{Actions: []*pb.FileAction{{Input: 1 << 40, Output: 1 << 40}}}}},
		{Op: &pb.Op_Diff{Diff: &pb.DiffOp{}}, Inputs: []*pb.Input{{}}},
		{Op: &pb.Op_Passthrough{Passthrough: &pb.PassthroughOp{Outputs: []int64{-1, 1 << 40}}}},
		{Op: &pb.Op_Source{}}, {Op: &pb.Op_Merge{}}, {Op: &pb.Op_Build{}},
	} {
		raw, err := op.MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte{0, byte(len(raw))}, raw...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		def := &pb.Definition{}
		var digests []string
		for len(data) > 2 {
			n := min(2+int(data[0])<<8+int(data[1]), len(data))
			op := &pb.Op{}
			if err := op.UnmarshalVT(data[2:n]); err != nil {
				return
			}
			data = data[n:]
			for i, in := range op.Inputs {
				if len(digests) > 0 && in != nil {
					in.Digest = digests[(len(in.Digest)+i)%len(digests)]
				}
			}
			raw, err := op.MarshalVT()
			if err != nil {
				return
			}
			def.Def = append(def.Def, raw)
			digests = append(digests, digest.FromBytes(raw).String())
		}
		d, err := ParseDefinition(def)
		if err != nil {
			return
		}
		g, _ := d.Graph(surroundings("/ctx"))
		checkGraph(t, g)
		s := NewShared()
		s.Set(0, g)
		s.Set(1, g)
		s.Order([]int{0, 1}, nil, Costs{Weight: func(int32) int64 { return 1 }})
	})
}
