package docstest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// workshop is the parts that the commands run on.
type workshop struct {
	names    []string // in the documents, each before what stands for it here
	address  string   // of the builder
	bases    []lab.Base
	path     string // of the directory with the program
	host     string // of the registry
	commands int
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := newProgram(t)
	registry := labtest.Registry(t)
	w.host, w.address = registry.Host(), labtest.Buildkitd(t, registry).Addr()
	w.bases = labtest.Bases(t, registry, lab.Shape{Instances: lab.Instances(1, 2), OSBytes: 1 << 10, EnvBytes: 1 << 10, OwnBytes: 1 << 10, Seed: 1})
	w.names = []string{
		"registry.example/swebench/django__django-1:latest", w.bases[0].Ref,
		"unix:///run/buildkit/buildkitd.sock", w.address,
		"tcp://builder.example:1234", w.address,
		"tcp://one.example:1234", w.address,
		"tcp://two.example:1234", labtest.Buildkitd(t, registry).Addr(),
	}
	return w
}

// newProgram is a workshop with nothing but the program.
func newProgram(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{path: t.TempDir(), host: "127.0.0.1:1"}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(w.path, program)); err != nil {
		t.Fatal(err)
	}
	return w
}

const dockerfile = `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG AGENT_VERSION
COPY agent.txt /opt/agent/
RUN cat /opt/agent/agent.txt > /opt/agent/ready
`

// directory makes what the documents' commands name: an image list, rows with
// their tasks, a bake file, a Dockerfile with its context, a secret, and a state directory.
func (w *workshop) directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var list strings.Builder
	task := "FROM scratch\n"
	for _, b := range w.bases {
		list.WriteString(b.Ref + "\n")
		task = "FROM " + b.Ref + "\nARG VERSION\nRUN echo $VERSION > /version\n"
	}
	for name, text := range map[string]string{
		"bases.txt": list.String(), "agent/Dockerfile": dockerfile, "agent/agent.txt": "agent\n", "token.txt": "secret\n",
		"tasks.jsonl": shown(t, "json", `{"id"`), "docker-bake.hcl": shown(t, "hcl", "variable"), "verified.jsonl": `{"instance_id":"django__django-11099"}` + "\n", "tasks/one/Dockerfile": task, "tasks/two/Dockerfile": task,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shown returns the block of the documents that begins with some text.
func shown(t *testing.T, language, begins string) string {
	t.Helper()
	for _, doc := range documents(t) {
		_, block, found := strings.Cut(doc.text, "```"+language+"\n"+begins)
		if block, _, closed := strings.Cut(block, "```"); found && closed {
			return begins + block
		}
	}
	t.Fatalf("no document shows %s", begins)
	return ""
}

// replaced puts names of the workshop in the place of those that stand for a
// reader's own. Each command pushes to repositories of its own, so that nothing
// is skipped since it was built before.
func (w *workshop) replaced(text, dir string) string {
	w.commands++
	names := append(slices.Clip(w.names),
		"registry.example/", fmt.Sprintf("%s/docs%d/", w.host, w.commands),
		"registry.example", w.host,
		"/var/lib/stoker", filepath.Join(dir, "state"),
	)
	return strings.NewReplacer(names...).Replace(text)
}

func (w *workshop) run(t *testing.T, dir string, c command) {
	t.Helper()
	start := time.Now()
	code, out := w.exec(t, dir, c.text)
	if code != c.exit {
		t.Errorf("line %d: %s\nexit code %d, want %d\n%s", c.line, c.text, code, c.exit, out)
	}
	t.Logf("line %d: %s (%s)", c.line, c.text, time.Since(start).Round(time.Millisecond))
}

// exec runs a command as a reader would: by the shell.
func (w *workshop) exec(t *testing.T, dir, text string) (code int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", w.replaced(text, dir))
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + w.path + ":" + os.Getenv("PATH"), "HOME=" + dir, "DOCKER_CONFIG=" + dir,
		"XDG_STATE_HOME=" + filepath.Join(dir, "state"), "BUILDKIT_HOST=" + w.address, "TMPDIR=" + t.TempDir(),
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", text, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
