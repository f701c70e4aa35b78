package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/show"
)

// Steps of agentDockerfile that BuildKit calls cached.
const agentSteps = 3

// buildAgent builds the workbench's image on a base, past Stoker, and returns
// BuildKit's progress.
func (w *workbench) buildAgent(base string) string {
	w.t.Helper()
	out, err := w.daemon.Buildctl(w.t.Context(), "build", "--progress=plain", "--frontend=dockerfile.v0",
		"--local=context="+w.path("ctx"), "--local=dockerfile="+w.path("ctx"),
		"--opt=build-arg:BASE_IMAGE="+base, "--opt=build-arg:BUILDER_IMAGE="+w.builder.Ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *workbench) buildAgents() {
	w.t.Helper()
	for _, b := range w.bases {
		w.buildAgent(b.Ref)
	}
}

func (w *workbench) diskUsage() []*client.UsageInfo {
	w.t.Helper()
	c, err := w.daemon.Client(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	usage, err := c.DiskUsage(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return usage
}

// prune runs stoker prune on the daemon.
func (w *workbench) prune(args ...string) (code int, output string) {
	w.t.Helper()
	return runStoker(w.t.Context(), append([]string{"prune", "--builder", w.daemon.Addr(), "--state-dir", w.path("state")}, args...)...)
}

// pruneJSON runs stoker prune and reads what it writes; there is one node.
func (w *workbench) pruneJSON(args ...string) show.NodePruneJSON {
	w.t.Helper()
	code, output := w.prune(append(args, "--format", "json")...)
	var out show.PruneJSON
	if err := json.Unmarshal([]byte(output), &out); code != ExitOK || err != nil || len(out.Nodes) != 1 {
		w.t.Fatalf("exit code %d, %v\n%s", code, err, output)
	}
	return out.Nodes[0]
}

// removedBy returns the records that do something away.
func (w *workbench) removedBy(do func()) []*client.UsageInfo {
	w.t.Helper()
	before := w.diskUsage()
	do()
	left := map[string]bool{}
	for _, u := range w.diskUsage() {
		left[u.ID] = true
	}
	return slices.DeleteFunc(before, func(u *client.UsageInfo) bool { return left[u.ID] })
}

// checkLeft makes sure that so many layers and steps are left.
func (w *workbench) checkLeft(want int) {
	w.t.Helper()
	var left []string
	for _, u := range w.diskUsage() {
		if u.RecordType == client.UsageRecordTypeRegular {
			left = append(left, u.Description)
		}
	}
	if len(left) != want {
		w.t.Errorf("%d records are left, want %d:\n%s", len(left), want, strings.Join(left, "\n"))
	}
}

func TestPruneRemovesOneLineage(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.buildAgents()
	a, b := w.bases[0], w.bases[1]

	var dry show.NodePruneJSON
	if gone := w.removedBy(func() { dry = w.pruneJSON("--image", a.Ref, "--dry-run") }); len(gone) > 0 {
		t.Errorf("--dry-run removed %d records", len(gone))
	}
	// Its own layer and its steps go; the operating system and the environment stay.
	if dry.Removed != nil || dry.Remove.Records != 1+agentSteps || len(dry.Images[0].Keep) == 0 {
		t.Errorf("plan %+v", dry)
	}
	for _, k := range dry.Images[0].Keep {
		if !strings.Contains(k.Why, w.registry.Host()+"/swebench/") || !strings.HasSuffix(k.Why, " has it too") {
			t.Errorf("kept because %q", k.Why)
		}
	}

	var done show.NodePruneJSON
	gone := w.removedBy(func() { done = w.pruneJSON("--image", a.Ref, "--yes") })
	var bytes int64
	for _, u := range gone {
		bytes += u.Size
		if strings.Contains(u.Description, "pulled from") && !strings.Contains(u.Description, a.Ref) {
			t.Errorf("removed %q", u.Description)
		}
	}
	if got := (show.SumJSON{Records: len(gone), Bytes: bytes}); got != dry.Remove || done.Removed == nil || got != *done.Removed || done.Refused.Records != 0 {
		t.Errorf("removed %+v, planned %+v, told %+v", got, dry.Remove, done.Removed)
	}
	w.registry.Reset()
	if out := w.buildAgent(b.Ref); strings.Count(out, " CACHED") != agentSteps {
		t.Errorf("the build on %s is not all cached any more:\n%s", b.Ref, out)
	}
	if gets := w.registry.Requests().BlobGets; len(gets) > 1 {
		t.Errorf("layers were pulled again: %v", gets)
	}
}

func TestPruneRemovesAllButTheForeign(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 2))
	own, err := lab.MakeBases(t.Context(), w.registry.Host(), lab.Shape{Instances: []string{"foreign-1"}, OSBytes: 1 << 20, EnvBytes: 1000, OwnBytes: 1000, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.buildAgents()
	w.foreignBuild(own[0].Ref)
	code, out := w.prune("--images", w.path("bases.txt"), "--yes")
	if code != ExitOK || !strings.Contains(out, ": removed ") || !strings.Contains(out, own[0].Ref+" has it too") {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.checkForeign(own[0].Ref)
	// Besides the builder image and the three steps of the foreign one, its
	// layers: the operating system, the environment and its own.
	w.checkLeft(1 + 3 + len(own[0].Layers))
	if code, out := w.prune("--images", w.path("bases.txt"), "--yes"); code != ExitOK || !strings.Contains(out, "Nothing is to be removed.") {
		t.Errorf("second prune: exit code %d\n%s", code, out)
	}
}

func TestPruneOfARun(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	if code, out := w.build(t.Context(), "--prune", "off", "--prune-threshold", "100"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	// Without its own line, the third image is known from the events only.
	manifest, err := os.ReadFile(w.path("out/manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(manifest), "\n")
	w.write("out/manifest.jsonl", strings.Join(lines[:2], ""))
	code, out := w.prune("--run", w.path("out"), "--image", w.builder.Ref, "--yes")
	if code != ExitOK || strings.Contains(out, "kept:") {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.checkLeft(0)
}

// Where the tag has moved or the image is gone, its old chain is still known.
func TestPruneOfMovedAndGoneImages(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	if code, out := w.build(t.Context(), "--prune", "off", "--prune-threshold", "100"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if _, err := lab.MakeBases(t.Context(), w.registry.Host(), lab.Shape{Instances: []string{w.bases[0].Name}, OSBytes: 1 << 20, EnvBytes: 1000, OwnBytes: 1000, Seed: 9}); err != nil {
		t.Fatal(err)
	}
	w.registry.Inject(lab.Fault{Kind: lab.KindManifest, Repo: "swebench/" + w.bases[1].Name, Status: http.StatusNotFound})
	if code, out := w.prune("--images", w.path("bases.txt"), "--yes"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.checkLeft(1)
}

func TestPruneOfUnknownImages(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	w.buildAgent(w.bases[0].Ref)
	missing := w.registry.Host() + "/swebench/does-not-exist:latest"
	code, out := w.prune("--image", missing, "--image", w.bases[1].Ref, "--yes")
	if code != ExitOK || !strings.Contains(out, missing+": not in the cache") || !strings.Contains(out, "Nothing is to be removed.") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	// In the cache, but nobody knows its layers.
	w.registry.Inject(lab.Fault{Kind: lab.KindManifest, Repo: "swebench/" + w.bases[0].Name, Status: http.StatusNotFound})
	code, out = w.prune("--image", w.bases[0].Ref, "--dry-run")
	if code != ExitFailed || !strings.Contains(out, "not all of it can be told: resolve "+w.bases[0].Ref) {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// Wrong usage is found before a builder is asked.
func TestPruneUsage(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name string
		args []string
		says string
	}{
		{"no image", nil, "use --image REF, --images FILE or --run DIR"},
		{"no terminal", []string{"--image", "debian:12"}, "use --yes to remove, or --dry-run"},
		{"json asks nothing", []string{"--image", "debian:12", "--format", "json"}, "--format json asks nothing"},
		{"bad reference", []string{"--image", "UPPER", "--yes"}, `"UPPER"`},
		{"no such list", []string{"--images", filepath.Join(dir, "none"), "--yes"}, "no such file"},
		{"no such run", []string{"--run", filepath.Join(dir, "none"), "--yes"}, "it must be the --output-dir of a run"},
		{"format", []string{"--image", "a", "--format", "yaml"}, `--format "yaml": use table or json`},
		{"pause", []string{"--image", "a", "--yes", "--prune-pause", "0s"}, "--prune-pause 0s"},
		{"timeout", []string{"--image", "a", "--yes", "--prune-timeout", "-1s"}, "--prune-timeout -1s"},
		{"argument", []string{"x"}, `got ["x"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out := runStoker(t.Context(), append([]string{"prune", "--builder", "unix:///does/not/exist.sock"}, tt.args...)...)
			if code != ExitUsage || !strings.Contains(out, tt.says) {
				t.Errorf("exit code %d, output %q does not say %q", code, out, tt.says)
			}
		})
	}
	if code, _ := runStoker(t.Context(), "prune", "--builder", "unix:///does/not/exist.sock", "--image", "a", "--yes"); code != ExitNoBuilder {
		t.Errorf("exit code %d without a builder", code)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yesterday\n": false} {
		var out strings.Builder
		got, err := confirm(t.Context(), Streams{In: strings.NewReader(answer), Out: &out}, "Remove 2 records (1kB)?")
		if err != nil || got != want || out.String() != "Remove 2 records (1kB)? [y/N] " {
			t.Errorf("%q: %v, %v, asked %q", answer, got, err, out.String())
		}
	}
}

func TestConfirmInterrupted(t *testing.T) {
	in, hold := io.Pipe()
	defer hold.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(run.ErrInterrupted)
	yes, err := confirm(ctx, Streams{In: in, Out: io.Discard}, "Remove?")
	if yes || exitCode(ctx, err) != ExitInterrupted {
		t.Errorf("%v, %v", yes, err)
	}
}
