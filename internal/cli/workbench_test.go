package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// workbench is a set of real parts with a list of base images on it.
//
// Large: a method for each thing that a test of a command does or looks at.
type workbench struct {
	t        *testing.T
	registry *lab.Registry
	daemon   *lab.Buildkitd
	builder  lab.Base
	bases    []lab.Base
	dir      string
}

func newWorkbench(t *testing.T, shape lab.Shape) *workbench {
	t.Helper()
	return workbenchWith(t, shape, lab.BuildkitdOptions{})
}

// newWorkbenchOnDisk is one whose daemon has its cache on disk. In memory steps of the same
// text follow each other so quickly that, on a builder that others use, what one of them made
// stays in doubt and is kept: those less than 0.4 s apart.
func newWorkbenchOnDisk(t *testing.T, shape lab.Shape) *workbench {
	t.Helper()
	return workbenchWith(t, shape, lab.BuildkitdOptions{Root: labtest.OnDisk(t)})
}

func workbenchWith(t *testing.T, shape lab.Shape, o lab.BuildkitdOptions) *workbench {
	t.Helper()
	w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
	w.daemon = labtest.BuildkitdWith(t, o, w.registry)
	w.fill(shape)
	w.write("ctx/agent.txt", "agent\n")
	w.write("ctx/Dockerfile", agentDockerfile)
	return w
}

// fill puts base images into the registry and their names into a list.
func (w *workbench) fill(shape lab.Shape) {
	w.t.Helper()
	w.bases = labtest.Bases(w.t, w.registry, shape)
	w.builder = labtest.Builder(w.t, w.registry)
	var refs []string
	for _, b := range w.bases {
		refs = append(refs, b.Ref)
	}
	w.write("bases.txt", strings.Join(refs, "\n")+"\n")
}

const agentDockerfile = `ARG BASE_IMAGE

ARG BUILDER_IMAGE
FROM ${BUILDER_IMAGE} AS builder
FROM ${BASE_IMAGE}
RUN mkdir -p /opt/agent && cat /testbed/*.txt > /opt/agent/from-base
COPY --from=builder /agent /agent
COPY agent.txt /opt/agent/agent.txt
`

func (w *workbench) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *workbench) path(name string) string { return filepath.Join(w.dir, name) }

// build runs stoker build with the usual flags and some more.
func (w *workbench) build(ctx context.Context, more ...string) (code int, output string) {
	w.t.Helper()
	args := append([]string{"build", "--images", w.path("bases.txt"),
		"-t", w.registry.Host() + "/agent/{{.Name}}:1",
		"--push", "--progress", "plain", "--output-dir", w.path("out"), "--state-dir", w.path("state"),
		"--retry-delay", "10ms", "--stall-timeout", "2m"}, more...)
	if !slices.Contains(more, "--builder") {
		args = append(args, "--builder", w.daemon.Addr())
	}
	// An argument that the Dockerfile does not have would be warned of.
	if dockerfile, err := os.ReadFile(w.path("ctx/Dockerfile")); err != nil || bytes.Contains(dockerfile, []byte("BUILDER_IMAGE")) {
		args = append(args, "--build-arg", "BUILDER_IMAGE="+w.builder.Ref)
	}
	return runStoker(ctx, append(args, w.path("ctx"))...)
}

func runStoker(ctx context.Context, args ...string) (code int, output string) {
	var out bytes.Buffer
	code = Main(ctx, "test", args, Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	return code, out.String()
}

func (w *workbench) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func (w *workbench) manifest() []ledger.Entry { return w.manifestIn("out") }

func (w *workbench) manifestIn(dir string) []ledger.Entry {
	w.t.Helper()
	var entries []ledger.Entry
	for _, line := range strings.Split(strings.TrimSuffix(w.read(dir+"/manifest.jsonl"), "\n"), "\n") {
		var e ledger.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.t.Fatalf("manifest line %q: %v", line, err)
		}
		entries = append(entries, e)
	}
	return entries
}

func (w *workbench) summary() ledger.Summary { return w.summaryIn("out") }

func (w *workbench) summaryIn(dir string) ledger.Summary {
	w.t.Helper()
	var s ledger.Summary
	if err := json.Unmarshal([]byte(w.read(dir+"/summary.json")), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// checkImage pulls a built image back and looks inside.
func (w *workbench) checkImage(e ledger.Entry, base lab.Base) {
	w.t.Helper()
	files, err := lab.Files(w.t.Context(), e.Tags[0])
	if err != nil {
		w.t.Errorf("%s: %v", e.Tags[0], err)
		return
	}
	own := string(files["/testbed/"+base.Name+".txt"].Content)
	if own == "" {
		w.t.Errorf("%s: the base image's own file is missing", e.Tags[0])
	}
	if _, there := files["/env/"+base.Project]; !there {
		w.t.Errorf("%s: the project's file is missing", e.Tags[0])
	}
	for path, want := range map[string]string{
		"/opt/agent/agent.txt": "agent\n", "/opt/agent/from-base": own, "/agent/version": "1\n",
	} {
		if got := string(files[path].Content); got != want {
			w.t.Errorf("%s: file %s is %.80q, want %.80q", e.Tags[0], path, got, want)
		}
	}
}

func small(projects, perProject int) lab.Shape {
	return lab.Shape{Instances: lab.Instances(projects, perProject), OSBytes: 1 << 20, EnvBytes: 256 << 10, OwnBytes: 16 << 10, Seed: 1}
}
