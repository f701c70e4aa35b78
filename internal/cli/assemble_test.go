package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
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

// Images that only lay layers upon their bases are assembled in the registry, once the
// builder has made two, and are the same as the builder's.
func TestAssemble(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 4))
	w.write("ctx/Dockerfile", linkedDockerfile)
	w.variants()
	w.registry.Reset()
	code, out := w.build(t.Context(), "--provenance=false", "--workers", "1")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	entries := w.manifest()
	if n := assembledOf(entries); n != len(entries)-2 {
		t.Errorf("%d of %d images were assembled\n%s", n, len(entries), out)
	}
	code, out = w.build(t.Context(), "--provenance=false", "--assemble", "builder", "--output-dir", w.path("built"),
		"-t", w.registry.Host()+"/built/{{.Name}}:1")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	built := map[string]ledger.Entry{}
	for _, e := range w.manifestIn("built") {
		built[e.Name] = e
	}
	for _, e := range entries {
		b := built[e.Name]
		if b.Assembled {
			t.Errorf("%s was assembled with --assemble builder", e.Name)
		}
		// The cache has the layers of the first run, and so their times.
		if e.Digest != b.Digest || e.ConfigDigest != b.ConfigDigest {
			x, y := w.image(e.Tags[0]), w.image(b.Tags[len(b.Tags)-1])
			t.Errorf("%s: assembled %v: %s\n%s\n%s\n%s\n%s", e.Name, e.Assembled, assemble.Differ(x, y), x.Manifest, y.Manifest, x.Config, y.Config)
		}
		one, _ := json.Marshal(e.Descriptor)
		other, _ := json.Marshal(b.Descriptor)
		if string(one) != string(other) {
			t.Errorf("%s: descriptor %s, and the builder's %s", e.Name, one, other)
		}
	}
}

// variant is a base with settings of its own.
func (w *workbench) variant(b lab.Base, i int) string {
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
	config.Config.Env = append(config.Config.Env, "BASE="+b.Name)
	if i%2 == 0 {
		config.Config.WorkingDir, config.Config.Labels = "/testbed", map[string]string{"of": b.Name}
		config.Config.Entrypoint = []string{"/bin/sh"}
	}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		w.t.Fatal(err)
	}
	ref, err := name.ParseReference(strings.TrimSuffix(b.Ref, ":latest")+":own", name.Insecure)
	if err == nil {
		err = remote.Write(ref, image)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return ref.String()
}
