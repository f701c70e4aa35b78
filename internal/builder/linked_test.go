package builder_test

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// chain makes jobs of which each is built on the one before: none has the same context as
// another, though each calls it so and copies a file of the same name.
func (w world) chain(t *testing.T, syntax string, on ...ocispecs.Platform) []*plan.Job {
	t.Helper()
	var targets []plan.Target
	dir := t.TempDir()
	for i, step := range []struct{ name, text string }{
		{"default", "FROM scratch AS out\nCOPY one.txt /first\nFROM BASE\nENV A=b\nCOPY one.txt /one\nCOPY --from=out /first /first\n"},
		{"middle", "FROM below\nWORKDIR /$A\nCOPY one.txt two\n"},
		{"top", "FROM below AS again\nFROM other\nCOPY --from=again /b/two /three\nCOPY one.txt /four\n"},
	} {
		context := filepath.Join(dir, step.name)
		text := strings.ReplaceAll(step.text, "BASE", w.base.Ref)
		if syntax != "" {
			text = "# syntax=" + syntax + "\n" + text
		}
		write(t, filepath.Join(context, "one.txt"), "one "+step.name+syntax)
		o := build.Options{Platforms: on, BuildArgs: map[string]string{}}
		o.Inputs = build.Inputs{ContextPath: context, DockerfileInline: text}
		if i > 0 {
			o.Inputs.NamedContexts = map[string]build.NamedContext{"below": {Path: "target:" + targets[i-1].Name}, "other": {Path: "target:default"}}
		}
		targets = append(targets, plan.Target{Name: step.name, Options: o})
	}
	p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, targets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p.Jobs
}

// TestLinkedGraphs asks what jobs do that are built on others' results, and holds that
// against what their builds do: all steps of the others are among theirs.
func TestLinkedGraphs(t *testing.T) {
	w := newWorld(t)
	amd64, arm64 := platforms.MustParse("linux/amd64"), platforms.MustParse("linux/arm64")
	for name, tt := range map[string]struct {
		syntax string
		on     []ocispecs.Platform
	}{
		"built in":      {"", nil},
		"earlier":       {"docker/dockerfile:1.7", nil},
		"other":         {"somebody/else:1", nil},
		"two platforms": {"docker/dockerfile:1", []ocispecs.Platform{amd64, arm64}},
	} {
		t.Run(name, func(t *testing.T) {
			jobs := w.chain(t, tt.syntax, tt.on...)
			asked := w.ask(t, jobs...)
			top := jobs[len(jobs)-1]
			built, made := w.build(t, top)
			if a, b := sorted(asked[top.Name]), sorted(built); a != b {
				t.Errorf("asked for, the graph is\n%s\nbuilt, it is\n%s", a, b)
			}
			for _, below := range jobs[:2] {
				for _, v := range asked[below.Name].Vertices {
					if v.Kind == graph.Step && !slices.ContainsFunc(built.Vertices, func(o graph.Vertex) bool { return o.ID == v.ID }) {
						t.Errorf("the step %q of %s is none of the build on it", v.Name, below.Name)
					}
				}
			}
			for _, v := range built.Vertices {
				if v.Kind == graph.Step && len(made[v.ID]) == 0 {
					t.Errorf("when %q was made is not told", v.Name)
				}
			}
			if _, again := w.build(t, jobs[1]); len(again) > 0 && slices.ContainsFunc(asked["middle"].Vertices, func(v graph.Vertex) bool { return v.Kind == graph.Step && len(again[v.ID]) > 0 }) {
				t.Error("steps were made again for the job in the middle")
			}
		})
	}
}

// sorted are a graph's vertices, whatever their order: of two platforms either may come
// first, and name what both have.
func sorted(g graph.Graph) string {
	var lines []string
	for _, v := range g.Vertices {
		_, name, _ := strings.Cut(v.Name, "] ")
		lines = append(lines, v.ID.String()+" "+name)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// The check of a job that is built on others' results knows these, and builds nothing.
func TestLinkedCheck(t *testing.T) {
	w := newWorld(t)
	jobs := w.chain(t, "")
	results, err := w.b.Check(t.Context(), jobs[1]) // it uses a variable that the job below sets
	if err != nil || len(results.Warnings) > 0 || results.Error != nil {
		t.Errorf("results %+v, error %v", results, err)
	}
	built, made := w.build(t, jobs[1])
	for _, v := range built.Vertices {
		if v.Kind == graph.Step && len(made[v.ID]) == 0 {
			t.Errorf("%q was made before", v.Name)
		}
	}
}

// What fails of a job that another is built on is told as it is of a job's own steps. Of
// steps it is not looked for here: then both parts of a build read one error's stack, which
// BuildKit (v0.34, compressStacks in its util/stack) shortens without a lock.
func TestLinkedFailure(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	target := func(name, text string, contexts map[string]build.NamedContext) plan.Target {
		o := build.Options{BuildArgs: map[string]string{}}
		o.Inputs = build.Inputs{ContextPath: dir, DockerfileInline: text, NamedContexts: contexts}
		return plan.Target{Name: name, Options: o}
	}
	for name, tt := range map[string]struct{ below, want string }{
		"an image":    {"FROM " + strings.Replace(w.base.Ref, "a-1", "no-1", 1) + "\nCOPY . /\n", "no-1"},
		"its parsing": {"# syntax=docker/dockerfile:1\nFROM scratch\nNOTHING\n", "NOTHING"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, []plan.Target{target("below", tt.below, nil),
				target("above", "FROM below\nCOPY . /\n", map[string]build.NamedContext{"below": {Path: "target:below"}})})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			_, err = w.b.Build(t.Context(), nil, p.Jobs[1], io.Discard, builder.Watch{})
			if err == nil {
				t.Fatal("it is built")
			}
			if class, _ := builder.Classify(err); class != builder.Permanent || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "target default") {
				t.Errorf("class %v, error %q", class, err)
			}
		})
	}
}
