package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dockerclient "github.com/moby/moby/client"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// newDocker is a workbench on docker's own builder instead of a buildkitd, with
// all that is docker's on a disk of its own.
func newDocker(t *testing.T, disk int64) (*workbench, *lab.Dockerd, *lab.Disk) {
	t.Helper()
	w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
	d := labtest.Disk(t, disk)
	docker := labtest.Dockerd(t, filepath.Join(d.Path(), "docker"), w.registry)
	return w, docker, d
}

// on runs the real program on a builder of docker's that buildx knows by its name.
func (w *workbench) on(docker *lab.Dockerd, builder string, more ...string) (code int, output string) {
	w.t.Helper()
	args := append([]string{"build", "--builder", builder, "--images", w.path("bases.txt"),
		"-t", w.registry.Host() + "/agent/{{.Name}}:1", "--build-arg", "BUILDER_IMAGE=" + w.builder.Ref,
		"--push", "--progress", "plain", "--output-dir", w.path("out"), "--state-dir", w.path("state"),
		"--stall-timeout", "2m"}, more...)
	cmd := exec.Command(labtest.Stoker(w.t), append(args, w.path("ctx"))...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+docker.Addr(), "BUILDX_CONFIG="+w.path("buildx"))
	return start(w.t, cmd)()
}

// A builder as docker/setup-buildx-action makes it, on a disk that holds a third
// of what is built: the disk is seen without any flag.
func TestDockerContainer(t *testing.T) {
	t.Parallel()
	w, docker, disk := newDocker(t, 420*mb)
	labtest.BuildKit(t, w.registry)
	toml := fmt.Sprintf("[registry.%q]\n  http = true\n[worker.oci]\n  gc = false\n", w.registry.Host())
	if err := docker.BuildxBuilder(w.path("buildx"), "furnace", toml); err != nil {
		t.Fatal(err)
	}
	w.fill(modest(2, 6))
	if _, err := lab.WriteAgent(w.path("ctx"), lab.Agent{OwnCacheBytes: modestOwn}); err != nil {
		t.Fatal(err)
	}
	code, out := w.on(docker, "furnace", "--workers", "3")
	s := w.summary()
	if code != ExitOK || s.Built != 12 || s.Retried != 0 {
		t.Fatalf("exit code %d, summary %+v\n%s", code, s, out)
	}
	if full := events[journal.DiskFull](w, "disk_full"); len(full) > 0 {
		t.Errorf("the disk was full %d times", len(full))
	}
	if _, total, err := disk.Usage(); err != nil || *s.Cache.EndBytes+s.Prune.ReclaimedBytes < total {
		t.Errorf("all together took %d MB of a disk of %d, so that nothing was shown (%v)", (*s.Cache.EndBytes+s.Prune.ReclaimedBytes)/mb, total/mb, err)
	}
	if s.Space == nil || !strings.Contains(s.Space.Bound, "_state/_data") {
		t.Errorf("the run was bounded by %+v, not by the disk of the builder's volume", s.Space)
	}
}

// Docker's own builder keeps what it pushes in docker's image store. None of that
// is left, and nothing of the user's is gone.
func TestDockersOwnBuilder(t *testing.T) {
	t.Parallel()
	w, docker, disk := newDocker(t, 700*mb)
	w.fill(lab.Shape{Instances: lab.Instances(2, 3), OSBytes: 10 * mb, EnvBytes: 10 * mb, OwnBytes: 20 * mb})
	w.write("ctx/agent.txt", "agent\n")
	// Its builds have no network, which RUN would need.
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY agent.txt /opt/\nCOPY Dockerfile /opt/\n")
	theirs := w.builder.Ref
	pulled, err := docker.API().ImagePull(t.Context(), theirs, dockerclient.ImagePullOptions{})
	if err == nil {
		err = pulled.Wait(t.Context())
	}
	before, _, usageErr := disk.Usage()
	if err := errors.Join(err, usageErr); err != nil {
		t.Fatal(err)
	}
	peak := disk.WatchPeak(t.Context(), 20*time.Millisecond)
	code, out := w.on(docker, "default", "--prune", "completed", "--batch-size", "2")
	most := peak()
	if s := w.summary(); code != ExitOK || s.Built != 6 || s.Prune.LeftRecords != 0 || s.Space == nil {
		t.Fatalf("exit code %d, summary %+v, prune %+v\n%s", code, s, s.Prune, out)
	}
	images, err := docker.API().ImageList(t.Context(), dockerclient.ImageListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(images.Items) != 1 || !slices.Contains(images.Items[0].RepoTags, theirs) {
		t.Errorf("docker has the images %+v, want %s alone", images.Items, theirs)
	}
	// Docker holds open what it has removed until it collects its garbage, or ends.
	if err := docker.Close(); err != nil {
		t.Fatal(err)
	}
	after, _, err := disk.Usage()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("before %d MB, peak %d MB, after %d MB", before/mb, most/mb, after/mb)
	if after-before > 5*mb || most-before < 100*mb {
		t.Errorf("%d MB more are used than before, at the peak %d MB", (after-before)/mb, (most-before)/mb)
	}
	for i, e := range w.manifest() {
		files := labtest.Files(t, e.Tags[0])
		if string(files["/opt/agent.txt"].Content) != "agent\n" {
			t.Errorf("image %d, %s, has no agent", i, e.Tags[0])
		}
	}
}
