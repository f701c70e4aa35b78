package cli

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/registry"
)

// command is the real program with the usual flags and some more.
func (w *workbench) command(more ...string) *exec.Cmd {
	args := append([]string{"build", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"),
		"-t", w.registry.Host() + "/agent/{{.Name}}:1", "--build-arg", "BUILDER_IMAGE=" + w.builder.Ref,
		"--push", "--progress", "plain", "--output-dir", w.path("out"), "--state-dir", w.path("state")}, more...)
	return exec.Command(labtest.Stoker(w.t), append(args, w.path("ctx"))...)
}

// Killed again and again, with more and more on record, and resumed each time, a run
// loses nothing and builds no image again whose line was on disk.
func TestKilledAndResumed(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 5))
	built := map[string]string{} // what was on record before the last kill
	for i := 0; ; i++ {
		code, killed, out := w.killedAt(len(built)+i, "--resume", "--workers", "4")
		entries := w.entriesOnDisk()
		for name, finished := range built {
			if entries[name] != finished {
				t.Fatalf("run %d: the line of %s was lost or made again: %q, was %q\n%s", i, name, entries[name], finished, out)
			}
		}
		built = entries
		if !killed {
			if code != ExitOK {
				t.Fatalf("run %d: exit code %d\n%s", i, code, out)
			}
			break
		}
	}
	if s := w.summary(); s.Total != 10 || s.Built+s.Skipped != 10 || s.Unfinished != 0 {
		t.Errorf("summary %+v", s)
	}
	names := map[string]int{}
	for _, e := range w.manifest() {
		names[e.Name]++
		if _, exists, err := w.exists(e.Tags[0]); err != nil || !exists {
			t.Errorf("%s is not in the registry (%v)", e.Tags[0], err)
		}
	}
	for _, b := range w.bases {
		if names[b.Name] != 1 {
			t.Errorf("%s has %d final lines", b.Name, names[b.Name])
		}
	}
}

// killedAt runs the real program, and kills it once it has a manifest of so many
// lines; killed tells whether it came to that.
func (w *workbench) killedAt(lines int, more ...string) (code int, killed bool, output string) {
	w.t.Helper()
	cmd := w.command(more...)
	wait := start(w.t, cmd)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		code, output = wait()
	}()
	for {
		select {
		case <-ended:
			return code, killed, output
		case <-time.After(time.Millisecond):
			if !killed && exists(w.path("out/manifest.jsonl")) && len(w.entriesOnDisk()) >= lines {
				killed = cmd.Process.Kill() == nil
			}
		}
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 4))
	if code, out := w.build(t.Context(), "--max-failures", "0", "--retries", "0", "--workers", "1", "--order", "given",
		"--post-build", `[ "$STOKER_IMAGE_NAME" != `+w.bases[2].Name+` ]`); code != ExitFailed {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if code, out := w.build(t.Context()); code != ExitUsage || !strings.Contains(out, "--resume") || !strings.Contains(out, "--fresh") {
		t.Errorf("an unfinished run: exit code %d\n%s", code, out)
	}
	if code, out := w.build(t.Context(), "--resume", "--fresh"); code != ExitUsage {
		t.Errorf("both flags: exit code %d\n%s", code, out)
	}
	// One image is gone from the registry meanwhile: it is built again.
	if err := w.remove(w.bases[0].Name); err != nil {
		t.Fatal(err)
	}
	code, out := w.build(t.Context(), "--resume")
	s := w.summary()
	if code != ExitOK || s.Built+s.Skipped != 4 || s.Failed != 0 || len(w.manifest()) != 4 {
		t.Errorf("resumed: exit code %d, summary %+v\n%s", code, s, out)
	}
	if !strings.Contains(out, "[4/4] built") || !strings.Contains(out, "done: 3 of 3 images built in") || !strings.Contains(out, "1 kept from before") {
		t.Errorf("what was kept is counted as built:\n%s", out)
	}
	for _, e := range w.manifest() {
		if e.Name == w.bases[2].Name && e.Status != ledger.Built {
			t.Errorf("it had been pushed before its post-build command failed, and is %s now", e.Status)
		}
	}
	for _, b := range w.bases {
		if _, exists, err := w.exists(w.registry.Host() + "/agent/" + b.Name + ":1"); err != nil || !exists {
			t.Errorf("%s is not in the registry (%v)", b.Name, err)
		}
	}
	// A finished run is archived.
	if code, out := w.build(t.Context()); code != ExitOK {
		t.Errorf("after a finished run: exit code %d\n%s", code, out)
	}
	if old, _ := filepath.Glob(w.path("out/archive/*/manifest.jsonl")); len(old) == 0 {
		t.Error("the finished run was not archived")
	}
}

// A second tag, a new image of the same name and another order of the list leave
// what is finished as it is.
func TestResumeKeepsWhatIsFinished(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	tags := []string{w.bases[0].Ref, w.bases[1].Ref}
	w.write("bases.txt", strings.Join(tags, "\n"))
	if code, out := w.build(t.Context()); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	before := w.entriesOnDisk()

	second := w.registry.Host() + "/agent/{{.Name}}:second"
	if code, out := w.build(t.Context(), "--resume", "-t", second); code != ExitOK || !strings.Contains(out, "given the tags that are new") {
		t.Errorf("a second tag: exit code %d\n%s", code, out)
	}
	if after := w.entriesOnDisk(); !maps.Equal(after, before) {
		t.Errorf("a second tag: entries %v were %v", after, before)
	}
	for _, e := range w.manifest() {
		digest, exists, err := w.exists(w.registry.Host() + "/agent/" + e.Name + ":second")
		if len(e.Tags) != 2 || !exists || digest != e.Digest {
			t.Errorf("%s has the tags %q, the second is %s, not %s (%v)", e.Name, e.Tags, digest, e.Digest, err)
		}
	}

	// Another image that would like the first one's name, and another order.
	namesake := w.registry.Host() + "/other/" + w.bases[0].Name + ":2"
	if err := w.copyImage(w.bases[2].Ref, namesake); err != nil {
		t.Fatal(err)
	}
	w.write("bases.txt", strings.Join([]string{tags[1], namesake, tags[0]}, "\n"))
	tag := w.registry.Host() + `/agent/{{.Name}}:{{if eq .Tag "2"}}namesake{{else}}second{{end}}`
	code, out := runStoker(t.Context(), "build", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"), "-t", tag,
		"--build-arg", "BUILDER_IMAGE="+w.builder.Ref, "--push", "--progress", "plain", "--output-dir", w.path("out"),
		"--state-dir", w.path("state"), "--resume", w.path("ctx"))
	if code != ExitOK {
		t.Fatalf("another order: exit code %d\n%s", code, out)
	}
	finished := map[string]string{}
	for _, e := range w.manifest() {
		finished[e.BaseImage] = e.FinishedAt.String()
	}
	for i, ref := range tags {
		if finished[ref] != before[w.bases[i].Name] {
			t.Errorf("%s finished at %s, and was finished at %s", ref, finished[ref], before[w.bases[i].Name])
		}
	}
	if len(finished) != 3 || finished[namesake] == "" {
		t.Errorf("finished %v", finished)
	}
}

func TestTwoRunsInOneDirectory(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	w.write("ctx/Dockerfile", agentDockerfile+"RUN sleep 5\n")
	cmd := w.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(w.path("out/manifest.jsonl")); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if code, out := w.build(t.Context(), "--resume"); code != ExitUsage || !strings.Contains(out, w.path("out")) {
		t.Errorf("a second run in the same directory: exit code %d\n%s", code, out)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// entriesOnDisk returns when each finished job finished, by name.
func (w *workbench) entriesOnDisk() map[string]string {
	w.t.Helper()
	f, err := os.Open(w.path("out/manifest.jsonl"))
	if err != nil {
		return map[string]string{}
	}
	defer f.Close()
	manifest, err := ledger.ReadManifest(f)
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range manifest.Entries {
		out[e.Name] = e.FinishedAt.String()
	}
	return out
}

func (w *workbench) exists(tag string) (string, bool, error) {
	client, err := registry.New(registry.Options{})
	if err != nil {
		return "", false, err
	}
	return client.Exists(w.t.Context(), tag)
}

// copyImage gives an image another name, from one repository to another.
func (w *workbench) copyImage(from, to string) error {
	source, err := ggcr.ParseReference(from)
	if err != nil {
		return err
	}
	target, err := ggcr.ParseReference(to)
	if err != nil {
		return err
	}
	image, err := remote.Get(source)
	if err != nil {
		return err
	}
	return remote.Push(target, image)
}

// remove deletes an image from the registry.
func (w *workbench) remove(name string) error {
	digest, _, err := w.exists(w.registry.Host() + "/agent/" + name + ":1")
	if err != nil {
		return err
	}
	ref, err := ggcr.NewDigest(w.registry.Host() + "/agent/" + name + "@" + digest)
	if err != nil {
		return err
	}
	return remote.Delete(ref)
}
