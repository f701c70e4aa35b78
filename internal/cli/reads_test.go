package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// A step of its own on whatever base image a job has.
const ownStep = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN head -c 2000000 /dev/urandom > /own\n"

// newMirrored is a workbench whose daemon has the registry as a mirror of
// docker.io, which itself is out of reach. Frontends are there.
func newMirrored(t *testing.T, shape lab.Shape, opts lab.BuildkitdOptions) *workbench {
	t.Helper()
	w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
	labtest.Frontends(t, w.registry)
	opts.Upstreams = lab.Mirrored(w.registry.Host(), "docker.io")
	w.daemon = labtest.BuildkitdWith(t, opts, w.registry)
	w.fill(shape)
	w.write("ctx/agent.txt", "agent\n")
	w.write("ctx/Dockerfile", ownStep)
	return w
}

// list writes the list of base images.
func (w *workbench) list(refs ...string) {
	w.t.Helper()
	w.write("bases.txt", strings.Join(refs, "\n")+"\n")
}

// refs are the references of the workbench's base images.
func (w *workbench) refs() []string {
	var refs []string
	for _, b := range w.bases {
		refs = append(refs, b.Ref)
	}
	return refs
}

// checkSwept makes sure that all was built and that no layer and no step of it is
// left, but for a number of records that are somebody else's.
func (w *workbench) checkSwept(code int, out string, built, others int) {
	w.t.Helper()
	w.checkAllBuilt(code, out, built)
	if p := w.summary().Prune; p.LiveRemovedRecords != 0 || p.LeftRecords != 0 || len(p.Failures) > 0 {
		w.t.Errorf("prune %+v", p)
	}
	w.checkLeft(others)
}

// reclaimedEarly is the bytes that were removed before the last sweep of the run.
func (w *workbench) reclaimedEarly() (bytes int64) {
	w.t.Helper()
	for _, s := range events[journal.SweepFinished](w, "sweep_finished") {
		if s.Batch > 0 {
			bytes += s.ReclaimedBytes
		}
	}
	return bytes
}

// warnings returns what the run warned of with a text in it.
func (w *workbench) warnings(text string) []journal.Warning {
	w.t.Helper()
	return slices.DeleteFunc(events[journal.Warning](w, "warning"), func(e journal.Warning) bool { return !strings.Contains(e.Message, text) })
}

// checkSilent makes sure that the run warned of nothing.
func (w *workbench) checkSilent() {
	w.t.Helper()
	for _, e := range w.warnings("") {
		if e.Note {
			continue
		}
		w.t.Errorf("warning %q (%s)", e.Message, e.Job)
	}
}

// With syntax lines, and of different versions, most of what is built on a small disk is
// still built, and each layer pulled once, as without.
func TestSyntaxLine(t *testing.T) {
	t.Parallel()
	disk := labtest.Disk(t, 360*mb)
	w := newMirrored(t, modest(1, 10), lab.BuildkitdOptions{Root: disk.Path() + "/root"})
	var rows []string
	for i, b := range w.bases {
		version := []string{"1", "1.7"}[i%2]
		if _, err := lab.WriteAgent(w.path("agent-"+version), lab.Agent{OwnCacheBytes: modestOwn, Syntax: "docker/dockerfile:" + version}); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf(`{"id":%q,"base":%q,"version":%q}`, b.Name, b.Ref, version))
	}
	code, out := w.rows(rows, "--workers", "3", "--job-size", "45MB", "--build-arg", "BASE_IMAGE={{.base}}", "--build-arg", "BUILDER_IMAGE="+w.builder.Ref,
		"-t", w.registry.Host()+"/built/{{.id}}:1", w.path("agent-{{.version}}"))
	w.checkAllBuilt(code, out, 10)
	s := w.summary()
	if full := events[journal.DiskFull](w, "disk_full"); len(full) > 0 || s.Retried > 0 || s.Prune.LiveRemovedRecords > 0 || s.Prune.ReclaimedBytes < 100*mb {
		t.Errorf("%d times full, %d retried, prune %+v\n%s", len(full), s.Retried, s.Prune, out)
	}
	w.checkPulledOnce()
	w.checkSilent()
}

// So it is on a private builder, with a frontend of some registry's own.
func TestSyntaxLineOnPrivateBuilder(t *testing.T) {
	t.Parallel()
	w := newMirrored(t, modest(1, 6), lab.BuildkitdOptions{})
	if _, err := lab.WriteAgent(w.path("ctx"), lab.Agent{OwnCacheBytes: modestOwn, Syntax: w.registry.Host() + "/docker/dockerfile:1.7"}); err != nil {
		t.Fatal(err)
	}
	w.registry.Reset()
	code, out := start(t, w.private("--workers", "2", "--job-size", "45MB", "--cache-budget", "250MB"))()
	w.checkAllBuilt(code, out, 6)
	if s := w.summary(); s.Cache.PeakBytes > 270*mb || s.Prune.ReclaimedBytes == 0 {
		t.Errorf("the cache grew to %d MB, prune %+v", s.Cache.PeakBytes/mb, s.Prune)
	}
	w.checkPulledOnce()
	w.checkSilent()
}

// Base images of a registry that only the builder can reach, through its mirror.
func TestMirror(t *testing.T) {
	t.Parallel()
	w := newMirrored(t, modest(1, 6), lab.BuildkitdOptions{})
	if _, err := lab.WriteAgent(w.path("ctx"), lab.Agent{OwnCacheBytes: modestOwn}); err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, b := range w.bases {
		refs = append(refs, b.At("docker.io"))
	}
	w.list(refs...)
	code, out := w.build(t.Context(), "--workers", "2", "--job-size", "45MB", "--cache-budget", "250MB")
	w.checkAllBuilt(code, out, 6)
	if s := w.summary(); s.Cache.PeakBytes > 270*mb || s.Prune.ReclaimedBytes == 0 {
		t.Errorf("the cache grew to %d MB, prune %+v", s.Cache.PeakBytes/mb, s.Prune)
	}
	w.checkPulledOnce()
	w.checkSilent()
}

// What the mirror has is there, whatever the registry itself says.
func TestMirrorHasWhatTheRegistryHasNot(t *testing.T) {
	t.Parallel()
	origin := labtest.Registry(t)
	w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
	w.daemon = labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: []lab.Upstream{
		{Name: "docker.io", Mirrors: []string{w.registry.Host()}, Origin: origin.Host()}}}, w.registry)
	w.fill(small(1, 3))
	w.write("ctx/Dockerfile", ownStep)
	w.list(w.bases[0].At("docker.io"), "docker.io/swebench/nobody-has-it:latest", w.bases[1].At("docker.io"))
	code, out := w.build(t.Context(), "--prune", "completed", "--batch-size", "1")
	if s := w.summary(); code != ExitFailed || s.Built != 2 || s.Failed != 1 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, out)
	}
	for _, e := range w.manifest() {
		if e.Status == ledger.Failed && (e.Name != "nobody-has-it" || e.AttemptCount != 0) {
			t.Errorf("entry %+v", e)
		}
	}
	w.checkLeft(0)
}

// Base images of another platform: a single image that is for that only, and an
// index.
func TestOtherPlatforms(t *testing.T) {
	t.Parallel()
	const arm = "linux/arm64"
	tests := []struct {
		name, platform string
		file           string
	}{
		{"another", arm, "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY agent.txt /agent.txt\nWORKDIR /work\n"},
		{"two", "linux/amd64," + arm, "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY agent.txt /agent.txt\nWORKDIR /work\n"},
		{"another with a stage of the builder's own", arm,
			"ARG BASE_IMAGE\nFROM --platform=$BUILDPLATFORM ${BASE_IMAGE} AS make\nRUN echo made > /made\nFROM ${BASE_IMAGE}\nCOPY --from=make /made /made\nWORKDIR /work\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkbench(t, small(1, 1))
			w.write("ctx/Dockerfile", tt.file)
			var refs []string
			for i := range 3 {
				name := fmt.Sprintf("example/index-%d:1", i)
				layers := []int64{100_000, int64(200_000 + i)}
				refs = append(refs, labtest.Index(t, w.registry, name, lab.Image{LayerBytes: layers}, lab.Image{Platform: arm, LayerBytes: layers}).Ref)
			}
			if tt.name == "another" {
				refs = append(refs, labtest.Image(t, w.registry, lab.Image{Name: "example/only-arm:1", Platform: arm, LayerBytes: []int64{300_000}}).Ref)
			}
			w.list(refs...)
			code, out := w.build(t.Context(), "--platform", tt.platform, "--prune", "completed", "--batch-size", "1", "--workers", "1")
			w.checkSwept(code, out, len(refs), 0)
			// What the last two jobs left may have been in use still.
			if early := w.reclaimedEarly(); early < int64(len(refs)-2)*400_000 {
				t.Errorf("%d bytes were removed before the end\n%s", early, out)
			}
			w.checkSilent()
		})
	}
}

// The triggers of base images are steps like others.
func TestOnBuild(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("ctx/Dockerfile", ownStep)
	tool := labtest.Image(t, w.registry, lab.Image{Name: "example/tool:1", LayerBytes: []int64{500_000}})
	var refs []string
	for i := range 6 {
		trigger := "RUN head -c 3000000 /dev/urandom > /triggered"
		if i == 0 {
			trigger = "COPY --from=" + tool.Ref + " /layers /triggered"
		}
		refs = append(refs, labtest.Image(t, w.registry, lab.Image{Name: fmt.Sprintf("example/onbuild-%d:1", i),
			LayerBytes: []int64{int64(1_000_000 + i)}, OnBuild: []string{trigger}}).Ref)
	}
	w.list(refs...)
	code, out := w.build(t.Context(), "--prune", "completed", "--batch-size", "2", "--workers", "2")
	w.checkSwept(code, out, 6, 0)
	if early := w.reclaimedEarly(); early < 2*16_000_000 {
		t.Errorf("%d bytes were removed before the end\n%s", early, out)
	}
	w.checkSilent()
}

// A tag that moves in the middle of a run is built as it is then, which is said,
// and swept.
func TestMovedTag(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("ctx/Dockerfile", ownStep)
	root := labtest.Image(t, w.registry, lab.Image{Name: "example/root:1", LayerBytes: []int64{500_000}})
	image := func(i int, seed uint64) lab.Image {
		return lab.Image{Name: fmt.Sprintf("example/moving-%d:1", i), From: root.Ref, LayerBytes: []int64{400_000}, Seed: seed}
	}
	var refs []string
	for i := range 6 {
		refs = append(refs, labtest.Image(t, w.registry, image(i, 1)).Ref)
	}
	w.list(refs...)
	wait := w.during(1, func() error {
		for i := range 2 {
			if _, err := lab.MakeImage(t.Context(), w.registry.Host(), image(4+i, 2)); err != nil {
				return err
			}
		}
		return nil
	})
	code, out := w.build(t.Context(), "--prune", "completed", "--batch-size", "2", "--workers", "1", "--order", "given", "--post-build", "sleep 0.3")
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	w.checkSwept(code, out, 6, 0)
	if moved := w.warnings("has moved since the run began"); len(moved) != 2 {
		t.Errorf("of 2 tags that moved, the run said %v\n%s", moved, out)
	}
}

// A base image that can be pulled in part only leaves nothing behind that keeps
// what it shares with others.
func TestLostLayer(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("ctx/Dockerfile", ownStep)
	var refs []string
	for project := range 3 {
		shared := labtest.Image(t, w.registry, lab.Image{Name: fmt.Sprintf("example/shared-%d:1", project), LayerBytes: []int64{int64(900_000 + project)}})
		for i := range 3 {
			base := labtest.Image(t, w.registry, lab.Image{Name: fmt.Sprintf("example/base-%d-%d:1", project, i), From: shared.Ref,
				LayerBytes: []int64{int64(300_000 + i)}, Seed: uint64(project)})
			refs = append(refs, base.Ref)
			if i == 1 {
				top := base.Layers[len(base.Layers)-1].Digest
				w.registry.Inject(lab.Fault{Kind: lab.KindBlob, Digest: top, Status: 404})
			}
		}
	}
	w.list(refs...)
	code, out := w.build(t.Context(), "--prune", "completed", "--batch-size", "3", "--workers", "2", "--retries", "1")
	s := w.summary()
	if code != ExitFailed || s.Built != 6 || s.Failed != 3 || s.Prune.LiveRemovedRecords != 0 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, out)
	}
	w.checkLeft(0)
}

// Records that came from an imported cache are swept like those that were made.
func TestImportedCache(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.write("ctx/Dockerfile", ownStep+"COPY agent.txt /agent.txt\n")
	var imports []string
	for i, ref := range w.refs()[:2] {
		cache := fmt.Sprintf("type=registry,ref=%s/cache/%d:1", w.registry.Host(), i)
		w.list(ref)
		if code, out := w.build(t.Context(), "--cache-to", cache+",mode=max"); code != ExitOK {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		imports = append(imports, "--cache-from", cache)
	}
	w.daemon = labtest.Buildkitd(t, w.registry)
	w.list(w.refs()...)
	code, out := w.build(t.Context(), append(imports, "--force", "--prune", "completed", "--batch-size", "1", "--workers", "1")...)
	for _, e := range w.manifest() {
		if e.Name != w.bases[2].Name && e.CachedStepCount == 0 {
			t.Errorf("nothing of %s was imported, so that nothing was shown", e.Name)
		}
	}
	w.checkSwept(code, out, 3, 0)
}
