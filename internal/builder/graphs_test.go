package builder_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/jsonlines"
)

// dockerfiles are builds of many kinds on the base image in BASE.
var dockerfiles = map[string]string{
	"plain": `FROM BASE
RUN echo a > /a
COPY one.txt /one
WORKDIR /work
RUN cat /a /one > all`,
	"arguments": `ARG FROM=BASE
FROM ${FROM}
ARG X=1
ENV Y=$X
RUN echo ${X} $Y > /x
COPY ${Y}.txt /y`,
	"stages": `FROM BASE AS make
RUN mkdir /out && echo a > /out/a
FROM BASE AS other
RUN echo never
FROM BASE
COPY --from=make /out /out
RUN --mount=type=bind,from=make,source=/out,target=/in cat /in/a > /b
RUN --mount=type=cache,target=/cache echo c > /c`,
	"links": `FROM BASE AS make
RUN echo a > /a
FROM BASE
COPY --link --from=make /a /a
COPY --link one.txt /one
RUN cat /a /one > /both`,
	"heredoc": `FROM BASE
RUN <<END
echo a > /a
END
COPY <<END /text
some text
END`,
	"scratch": `FROM BASE AS make
RUN echo a > /a
FROM scratch
COPY --from=make /a /a`,
	"no-steps": "FROM BASE\nENV A=b",
}

// A builder's mirrors are read off the daemon's own configuration.
func TestMirrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.b.Mirrors()
	host, _, _ := strings.Cut(w.base.Ref, "/")
	if got := m.Of["docker.io"]; len(got) != 1 || got[0] != host || !slices.Contains(m.Plain, host) {
		t.Errorf("mirrors %+v, want %s for docker.io, without TLS", m, host)
	}
}

// Without a builder the same graphs are told, but for those that only a frontend
// image can tell.
func TestOfflineGraphs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var jobs []*plan.Job
	for name, text := range dockerfiles {
		jobs = append(jobs, w.job(t, name, text))
	}
	jobs = append(jobs, w.job(t, "docker's", "# syntax=docker/dockerfile:1\n"+dockerfiles["plain"]))
	asked := w.ask(t, jobs...)
	client, err := registry.New(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	jobs = append(jobs, w.job(t, "else's", "# syntax=somebody/else:1\nFROM BASE"))
	var mu sync.Mutex
	err = builder.Offline{Config: client.Config}.Graphs(t.Context(), jobs, func(job *plan.Job, g graph.Graph, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case job.Name == "else-s":
			if err == nil || !strings.Contains(err.Error(), "somebody/else:1") {
				t.Errorf("%s: error %v", job.Name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", job.Name, err)
		case describe(g) != describe(asked[job.Name]):
			t.Errorf("%s: without a builder the graph is\n%s\nwith one it is\n%s", job.Name, describe(g), describe(asked[job.Name]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// world is a daemon, a registry and a base image on it.
type world struct {
	daemon   *lab.Buildkitd
	registry *lab.Registry
	base     lab.Base
	b        *builder.Builder
}

func newWorld(t *testing.T) world {
	registry := labtest.Registry(t)
	return newWorldBehind(t, registry, registry.Host())
}

// newWorldBehind is a world with a mirror of docker.io somewhere.
func newWorldBehind(t *testing.T, registry *lab.Registry, mirror string) world {
	labtest.Frontends(t, registry)
	_, err := lab.PushFrontend(t.Context(), registry.Host(), "somebody/else:1", lab.FrontendCurrent)
	labtest.Made(t, "push a frontend", err)
	w := world{registry: registry, daemon: labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: lab.Mirrored(mirror, "docker.io")}, registry)}
	w.base = labtest.Bases(t, registry, lab.Shape{Instances: []string{"a-1"}, EnvBytes: 1000, OwnBytes: 1000})[0]
	b, err := builder.Connect(t.Context(), builder.Options{Names: []string{w.daemon.Addr()}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	w.b = b
	return w
}

// job makes a job that only fills the cache.
func (w world) job(t *testing.T, name, dockerfile string) *plan.Job {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	write(t, filepath.Join(dir, "Dockerfile"), strings.ReplaceAll(dockerfile, "BASE", w.base.Ref))
	write(t, filepath.Join(dir, "one.txt"), "one "+name)
	write(t, filepath.Join(dir, "1.txt"), "1")
	in, err := rows.Collect("rows", jsonlines.New(strings.NewReader(`{"id":"`+name+`"}`)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(plan.Spec{Context: dir, Outputs: []string{"type=cacheonly"}}, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p.Jobs[0]
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ask returns what the builder says of jobs.
func (w world) ask(t *testing.T, jobs ...*plan.Job) map[string]graph.Graph {
	t.Helper()
	var mu sync.Mutex
	out := map[string]graph.Graph{}
	err := w.b.Graphs(t.Context(), jobs, func(job *plan.Job, g graph.Graph, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && !(errors.Is(err, builder.ErrUnreachable) && len(g.Vertices) > 0) {
			t.Errorf("%s: %s", job.Name, err)
		}
		out[job.Name] = g
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// build builds a job and returns the graph that it had, and when its vertices
// were made.
func (w world) build(t *testing.T, job *plan.Job) (graph.Graph, map[graph.ID][]time.Time) {
	t.Helper()
	var g graph.Graph
	done := map[graph.ID][]time.Time{}
	var mu sync.Mutex
	_, err := w.b.Build(context.Background(), nil, job, io.Discard, builder.Watch{
		Graph: func(told graph.Graph) { g = told },
		Made: func(m cache.Making) {
			mu.Lock()
			defer mu.Unlock()
			done[m.Vertex] = append(done[m.Vertex], m.Done)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, done
}

// TestGraphs asks for graphs and holds them against those that the builds have,
// for every frontend: the built-in one, docker's own of now and of some years ago,
// and one of another name.
func TestGraphs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, syntax := range []string{"", "docker/dockerfile:1", "docker/dockerfile:1.7", "somebody/else:1"} {
		var jobs []*plan.Job
		for name, text := range dockerfiles {
			if syntax != "" {
				text = "# syntax=" + syntax + "\n" + text
			}
			jobs = append(jobs, w.job(t, name, text))
		}
		start := time.Now()
		asked := w.ask(t, jobs...)
		t.Logf("%q: %d graphs in %s", syntax, len(jobs), time.Since(start))
		for _, job := range jobs {
			t.Run(job.Name+" "+syntax, func(t *testing.T) {
				built, _ := w.build(t, job)
				if a, b := describe(asked[job.Name]), describe(built); a != b {
					t.Errorf("asked for, the graph is\n%s\nbuilt, it is\n%s", a, b)
				}
			})
		}
	}
}

// TestMoments builds with each frontend what was never built before: of each step
// it is told when it was made. Definitions of an earlier version's frontend have
// other digests than the builder's progress.
func TestMoments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, syntax := range map[string]string{"builtin": "", "now": "docker/dockerfile:1", "earlier": "docker/dockerfile:1.7", "other": "somebody/else:1"} {
		t.Run(name, func(t *testing.T) {
			text := "FROM BASE\nRUN echo " + name + " > /a\nCOPY one.txt /one\nWORKDIR /work\n"
			if syntax != "" {
				text = "# syntax=" + syntax + "\n" + text
			}
			g, made := w.build(t, w.job(t, name, text))
			for _, v := range g.Vertices {
				if v.Kind == graph.Step && len(made[v.ID]) == 0 {
					t.Errorf("when %q was made is not told\n%s", v.Name, describe(g))
				}
			}
		})
	}
}

func describe(g graph.Graph) string {
	var b strings.Builder
	for _, v := range g.Vertices {
		b.WriteString(v.ID.String()[:8] + " " + [...]string{"layer", "step", "source", "any"}[v.Kind] + " " + v.Name)
		for _, in := range v.Inputs {
			b.WriteString(" " + in.String()[:8])
		}
		for _, r := range v.Results {
			b.WriteString(" <" + r.Description)
			for _, on := range r.On {
				b.WriteString(" on " + on.String()[:8])
			}
			b.WriteString(">")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Steps that copy the same from different contexts are equal, and BuildKit does
// them once; what is copied otherwise, or left out, makes a difference.
func TestSameContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dockerfile := "FROM BASE\nCOPY 1.txt /same\nRUN cat /same > /made\nCOPY . /all\n"
	a, b := w.job(t, "a", dockerfile), w.job(t, "b", dockerfile)
	graphs := w.ask(t, a, b)
	steps := func(g graph.Graph) (ids []graph.ID) {
		for _, v := range g.Vertices {
			if v.Kind == graph.Step {
				ids = append(ids, v.ID)
			}
		}
		return ids
	}
	sa, sb := steps(graphs["a"]), steps(graphs["b"])
	if len(sa) != 3 || sa[0] != sb[0] || sa[1] != sb[1] || sa[2] == sb[2] {
		t.Errorf("steps %v and %v: want the first two equal, and the last not", sa, sb)
	}
	ga, madeA := w.build(t, a)
	_, madeB := w.build(t, b)
	if describe(ga) != describe(graphs["a"]) {
		t.Errorf("built, the graph is\n%s\nasked for, it was\n%s", describe(ga), describe(graphs["a"]))
	}
	for i, id := range sa[:2] {
		if len(madeA[id]) == 0 || len(madeB[id]) > 0 {
			t.Errorf("step %d was made %d times by the first build and %d times by the second", i, len(madeA[id]), len(madeB[id]))
		}
	}
	if len(madeB[sb[2]]) == 0 {
		t.Error("the last step of the second build was not made")
	}
}
