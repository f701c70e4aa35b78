package builder_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/buildx/build"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/plan"
)

// What is copied of a directory is told with all that is in it.
func TestCopied(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.txt", "b.txt", "ignored.md", "dir/sub/x"} {
		write(t, filepath.Join(dir, name), name)
	}
	write(t, filepath.Join(dir, ".dockerignore"), "*.md\n")
	beside := filepath.Join(t.TempDir(), "b*[") // of which the name is no pattern
	for from, to := range map[string]string{filepath.Join(dir, "link"): "dir", beside: dir} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	job := &plan.Job{}
	job.Options.Inputs = build.Inputs{ContextPath: dir, DockerfilePath: filepath.Join(dir, "Dockerfile")}
	through := &plan.Job{}
	through.Options.Inputs = build.Inputs{ContextPath: beside, DockerfilePath: filepath.Join(dir, "Dockerfile")}
	for _, tt := range []struct {
		copied link.Copied
		want   string // names, with what is below them
		known  bool
	}{
		{link.Copied{Dir: beside, Path: "/"}, "/ .dockerignore a.txt b.txt dir/ dir/sub/ dir/sub/x ignored.md link", true},
		{link.Copied{Dir: beside, Path: "/*.txt", Wildcard: true}, "a.txt b.txt", true},
		{link.Copied{Dir: dir, Path: `/\[a].txt`, Wildcard: true}, "", false},
		{link.Copied{Dir: dir, Path: "/a.txt"}, "a.txt", true},
		{link.Copied{Dir: dir, Path: "/dir"}, "dir/ sub/ sub/x", true},
		{link.Copied{Dir: dir, Path: "/*.txt", Wildcard: true}, "a.txt b.txt", true},
		{link.Copied{Dir: dir, Path: "/*.md", Wildcard: true}, "", true},
		{link.Copied{Dir: dir, Path: "/link"}, "", false},
		{link.Copied{Dir: dir, Path: "/link/sub"}, "", false},
		{link.Copied{Dir: dir, Path: "/none"}, "", false},
		{link.Copied{Dir: filepath.Join(dir, "dir"), Path: "/s*", Wildcard: true}, "", false}, // of another context
	} {
		of := job
		if tt.copied.Dir == beside {
			of = through
		}
		roots, known := builder.Copied(of, tt.copied)
		var names []string
		for _, r := range roots {
			if r.Directory {
				r.Name += "/"
			}
			names = append(names, r.Name)
			for _, b := range r.Below {
				if b.Directory {
					b.Path += "/"
				}
				names = append(names, strings.TrimPrefix(b.Path, "/"))
			}
		}
		if known != tt.known || known && strings.Join(names, " ") != tt.want {
			t.Errorf("%s is %q, known %t; want %q, known %t", tt.copied.Path, names, known, tt.want, tt.known)
		}
	}
}

// Where a base image has moved since steps were linked on it, they are not: then nothing is
// proved any more.
func TestLinksOnMovedBase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain, linked := w.job(t, "plain", "FROM BASE\nCOPY one.txt /plain\n"), w.job(t, "linked", "FROM BASE\nCOPY --link one.txt /linked\n")
	names := func(job *plan.Job) (steps []string) {
		var mu sync.Mutex
		_, err := w.b.Build(t.Context(), nil, job, io.Discard, builder.Watch{Graph: func(g graph.Graph) {
			mu.Lock()
			defer mu.Unlock()
			for _, v := range g.Vertices {
				steps = append(steps, v.Name)
			}
		}})
		if err != nil {
			t.Error(err)
		}
		return steps
	}
	image := w.ask(t, linked)["linked"].Images[0].Ref
	for _, moved := range []bool{false, true} {
		linked.Proved = &plan.Proved{Images: []string{image}, Plain: plain}
		if moved {
			linked.Proved.Images[0] = image[:len(image)-8] + "00000000"
		}
		steps := names(linked)
		if slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "/plain") }) != moved ||
			slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "/linked") }) == moved {
			t.Errorf("moved %t: it has the steps %q", moved, steps)
		}
	}
}
