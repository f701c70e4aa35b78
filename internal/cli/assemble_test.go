package cli

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/ledger"
)

// linkedDockerfile lays layers upon its base, and sets what else an image has.
const linkedDockerfile = `ARG BASE_IMAGE
ARG BUILDER_IMAGE
FROM ${BUILDER_IMAGE} AS builder
COPY agent.txt /made
FROM ${BASE_IMAGE}
ARG BASE_IMAGE
LABEL base=${BASE_IMAGE}
ENV AGENT=/agent PATH=/agent/bin:$PATH
COPY --link --from=builder --chown=1000:1000 /agent /agent
COPY --link --from=builder /made /opt/made
COPY --link agent.txt /opt/agent/
USER 1000
ENTRYPOINT ["/agent/bin/agent"]
`

// image reads an image back as its registry has it.
func (w *workbench) image(ref string) assemble.Image {
	w.t.Helper()
	parsed, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		w.t.Fatal(err)
	}
	desc, err := remote.Get(parsed)
	if err != nil {
		w.t.Fatal(err)
	}
	i, err := desc.Image()
	if err != nil {
		w.t.Fatal(err)
	}
	config, err := i.RawConfigFile()
	if err != nil {
		w.t.Fatal(err)
	}
	return assemble.Image{MediaType: string(desc.MediaType), Manifest: desc.Manifest, Config: config}
}

// variants makes bases of the workbench's own ones, which differ in what their images set.
func (w *workbench) variants() {
	w.t.Helper()
	var refs []string
	for i, b := range w.bases {
		made := w.variant(b, i)
		refs = append(refs, made)
	}
	w.write("bases.txt", strings.Join(refs, "\n")+"\n")
}

// assembled tells of a run's entries which were assembled.
func assembledOf(entries []ledger.Entry) (n int) {
	for _, e := range entries {
		if e.Assembled {
			n++
		}
	}
	return n
}

// planFlags runs stoker plan with the usual flags and some more.
func (w *workbench) planFlags(more ...string) (code int, output string) {
	w.t.Helper()
	args := append([]string{"plan", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"), "-t", w.registry.Host() + "/agent/{{.Name}}:1", "--push",
		"--state-dir", w.path("state"), "--build-arg", "BUILDER_IMAGE=" + w.builder.Ref}, more...)
	return runStoker(w.t.Context(), append(args, w.path("ctx"))...)
}

// Images that only copy onto their bases are assembled in the registry, once the
// builder has made two, and are the same as the builder's. Of their bases nothing is pulled.
func TestAssemble(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 4))
	w.write("ctx/Dockerfile", linkedDockerfile)
	w.variants()
	flags := func(out string, more ...string) []string {
		return append([]string{"--provenance=false", "--workers", "1", "--force", "--output-dir", w.path(out),
			"-t", w.registry.Host() + "/" + out + "/{{.Name}}:1"}, more...)
	}
	run := func(out string, more ...string) []ledger.Entry {
		if code, text := w.build(t.Context(), flags(out, more...)...); code != ExitOK {
			t.Fatalf("exit code %d\n%s", code, text)
		}
		return w.manifestIn(out)
	}
	check := func(assembled, built []ledger.Entry, want int) {
		t.Helper()
		if n := assembledOf(assembled); n != want {
			t.Errorf("%d of %d images were assembled, not %d", n, len(assembled), want)
		}
		of := map[string]ledger.Entry{}
		for _, e := range built {
			of[e.Name] = e
		}
		for _, e := range assembled {
			b := of[e.Name]
			one, _ := json.Marshal(e.Descriptor)
			other, _ := json.Marshal(b.Descriptor)
			if b.Assembled || e.Digest != b.Digest || e.ConfigDigest != b.ConfigDigest || string(one) != string(other) {
				x, y := w.image(e.Tags[1]+"@"+e.Digest), w.image(b.Tags[1]+"@"+b.Digest)
				t.Errorf("%s: %s\n%s\n%s", e.Name, assemble.Differ(x, y), one, other)
			}
		}
	}

	code, text := w.planFlags("--provenance=false")
	if code != ExitOK || !strings.Contains(text, "assembled   6 of 8 that only copy onto their base, once the builder has made 2\n") {
		t.Errorf("exit code %d of plan\n%s", code, text)
	}
	w.write("plain.Dockerfile", linkedDockerfile+"COPY --link=false Dockerfile /tmp/\n")
	code, text = w.planFlags("--provenance=false", "-f", w.path("plain.Dockerfile"))
	if want := "assembled   0 of 8 that only copy onto their base; the builder makes 8: a step of theirs is not linked, or may fetch something else each time\n"; code != ExitOK || !strings.Contains(text, want) {
		t.Errorf("exit code %d of plan\n%s", code, text)
	}
	code, text = w.planFlags("--assemble", "registry")
	if want := "will fail: --assemble registry: it cannot be assembled, since a builder's provenance is attached to it; --provenance=false leaves that out; with --assemble auto the builder makes it\n"; strings.Count(text, want) != 8 {
		t.Errorf("exit code %d of plan\n%s", code, text)
	}

	w.registry.Reset()
	entries := run("assembled")
	requests := w.registry.Requests()
	for _, b := range w.bases {
		for _, l := range b.Layers {
			if n := requests.BlobGets[l.Digest]; n > 0 {
				t.Errorf("layer %s of %s was pulled %d times", l.Digest, b.Name, n)
			}
		}
	}
	for _, r := range w.diskUsage() {
		if strings.Contains(r.Description, "/swebench/") && r.Size > 0 {
			t.Errorf("the builder's cache has %d bytes %s", r.Size, r.Description)
		}
	}
	if e := entries[2]; e.Phases == nil || e.Phases.Push <= 0 || math.Abs(e.Phases.Seconds()-e.DurationSeconds) > e.DurationSeconds/20+0.005 {
		t.Errorf("%s took %v s, of phases %+v", e.Name, e.DurationSeconds, e.Phases)
	}
	if log := w.read("assembled/logs/" + entries[2].Name + "/attempt-1.log"); !strings.Contains(log, "none of which was moved") {
		t.Errorf("the log says\n%s", log)
	}
	// The cache has the layers of the first run, and so their times.
	check(entries, run("built", "--assemble", "builder"), len(entries)-2)

	// A registry that mounts nothing begins an upload instead.
	mounts := w.registry.Inject(lab.Fault{Kind: lab.KindUpload, Match: func(r *http.Request) bool {
		r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "mount=", "unmounted=")
		return false
	}})
	const moment = "SOURCE_DATE_EPOCH=1700000000"
	const rewritten = "type=image,rewrite-timestamp=true"
	entries = run("copied", "--build-arg", moment, "-o", rewritten)
	mounts()
	if events := w.read("copied/events.jsonl"); !strings.Contains(events, `"copied_bytes":`) {
		t.Error("nothing was copied where nothing could be mounted")
	}
	if _, err := w.daemon.Buildctl(t.Context(), "prune", "--all"); err != nil {
		t.Fatal(err)
	}
	check(entries, run("moment", "--assemble", "builder", "--build-arg", moment, "-o", rewritten), len(entries)-2)

	code, text = w.build(t.Context(), flags("attested", "--provenance=true")...)
	const why = "a builder's attestation of it is asked for (provenance)"
	if want := "8 made by the builder that only copy onto their base, not assembled in the registry: " + why; code != ExitOK || !strings.Contains(text, want) {
		t.Errorf("exit code %d, and the summary does not say %q\n%s", code, want, text)
	}
	if text := w.read("assembled/summary.md"); !strings.Contains(text, "| Of these, assembled in the registry | 6 |\n") {
		t.Errorf("summary.md does not say that images were assembled\n%s", text)
	}
	if s := w.summaryIn("attested"); s.NotAssembled[why] != 8 || w.summaryIn("built").NotAssembled != nil || w.summaryIn("assembled").NotAssembled != nil {
		t.Errorf("not assembled: %v of attested images, %v of the builder's, %v of others", s.NotAssembled, w.summaryIn("built").NotAssembled, w.summaryIn("assembled").NotAssembled)
	}
}

// variant is a base with settings of its own.
func (w *workbench) variant(b lab.Base, i int) string {
	w.t.Helper()
	return w.configured(b, "own", func(c *v1.ConfigFile) {
		c.Config.Env = append(c.Config.Env, "BASE="+b.Name)
		if i%2 == 0 {
			c.Config.WorkingDir, c.Config.Labels = "/testbed", map[string]string{"of": b.Name}
			c.Config.Entrypoint = []string{"/bin/sh"}
		}
	})
}

// configured pushes a base image with another configuration, under another tag.
func (w *workbench) configured(b lab.Base, tag string, change func(*v1.ConfigFile)) (ref string) {
	w.t.Helper()
	image, err := lab.PullImage(w.t.Context(), b.Ref)
	if err != nil {
		w.t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		w.t.Fatal(err)
	}
	config = config.DeepCopy()
	change(config)
	if image, err = mutate.ConfigFile(image, config); err != nil {
		w.t.Fatal(err)
	}
	parsed, err := name.ParseReference(strings.TrimSuffix(b.Ref, ":latest")+":"+tag, name.Insecure)
	if err == nil {
		err = remote.Write(parsed, image)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return parsed.String()
}
