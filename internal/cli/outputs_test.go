package cli

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/ledger"
)

// limited is a Dockerfile whose build shows the limits that it is under, and in which
// there is something to find fault with.
const limited = `ARG BASE_IMAGE=scratch
FROM ${BASE_IMAGE}
RUN df -k /dev/shm; echo "open files: $(ulimit -n)"
CMD true
`

// Each job has an output, a cache and an annotation of its own, and what is known of
// the images is in one file, or in a file each.
func TestOutputsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	w.write("ctx/Dockerfile", limited)
	build := func(more ...string) (int, string) {
		args := append([]string{"build", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"), "-t", "local/{{.Name}}:1",
			"--output-dir", w.path("out"), "--state-dir", w.path("state")}, more...)
		return runStoker(t.Context(), append(args, w.path("ctx"))...)
	}
	code, out := build("--check")
	if code != ExitFailed || strings.Count(out, "JSONArgsRecommended") != 1 || !strings.Contains(out, "ctx/Dockerfile:4") ||
		!strings.Contains(out, "in all 2 jobs") || !strings.Contains(out, "Check complete, 1 warning found in 2 jobs.") {
		t.Errorf("a check: exit code %d\n%s", code, out)
	}
	if _, err := os.Stat(w.path("out")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a check has left an output directory: %v", err)
	}

	code, out = build("-o", "type=oci,dest="+w.path("images/{{.Name}}.tar"), "--cache-to", "type=local,dest="+w.path("caches/{{.Name}}"),
		"--annotation", "org.example.base={{.Ref}}", "--metadata-file", w.path("metadata.json"), "--shm-size", "32m", "--ulimit", "nofile=999:999",
		"--resource", "cpu-shares=512", "--retries", "0")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	var metadata map[string]map[string]any
	w.readJSON("metadata.json", &metadata)
	for _, base := range w.bases {
		manifest := archived(t, w.path("images/"+base.Name+".tar"))
		if manifest.Annotations["org.example.base"] != base.Ref {
			t.Errorf("%s has the annotations %v", base.Name, manifest.Annotations)
		}
		if _, err := os.Stat(w.path("caches/" + base.Name + "/index.json")); err != nil {
			t.Error(err)
		}
		of := metadata[base.Name]
		descriptor, _ := of["containerimage.descriptor"].(map[string]any)
		config, _ := of["containerimage.config.digest"].(string)
		if of["image.name"] != "docker.io/local/"+base.Name+":1" || descriptor["digest"] != of["containerimage.digest"] || config == "" {
			t.Errorf("the metadata of %s: %v", base.Name, of)
		}
	}
	var refs map[string]ledger.Ref
	w.readJSON("out/refs.json", &refs)
	if first := refs[w.bases[0].Name]; len(refs) != 2 || first.Digest == "" || first.Image != "" {
		t.Errorf("of images that are in no registry: %+v", refs)
	}
	if len(metadata) != 2 {
		t.Errorf("metadata of %d jobs", len(metadata))
	}
	log, err := os.ReadFile(*w.manifest()[0].LogPath)
	if err != nil || !strings.Contains(string(log), "32768") || !strings.Contains(string(log), "open files: 999") {
		t.Errorf("the log (%v)\n%s", err, log)
	}

	// A resumed run tells of what an earlier one has built, each in its own file.
	code, out = build("-o", "type=cacheonly", "--resume", "--metadata-file", w.path("{{.Name}}.json"), "--limit", "1", "--iidfile", w.path("id"), "-q")
	first := w.manifest()[0]
	for _, e := range w.manifest() {
		if e.Name == w.bases[0].Name {
			first = e
		}
	}
	if code != ExitOK || out != "" { // it is in no registry
		t.Fatalf("resumed: exit code %d\n%s", code, out)
	}
	id, err := os.ReadFile(w.path("id"))
	if err != nil || string(id) != first.ConfigDigest || first.Status != ledger.Built {
		t.Errorf("the image's ID is %q (%v), of entry %+v", id, err, first)
	}
	var own map[string]any
	w.readJSON(w.bases[0].Name+".json", &own)
	if own["containerimage.digest"] != first.Digest {
		t.Errorf("the job's own metadata: %v", own)
	}
}

// Annotations that the image cannot have are not tried again.
func TestAnnotationsThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("ctx/Dockerfile", "FROM scratch\nARG BASE_IMAGE\nLABEL base=${BASE_IMAGE}\n")
	for _, flags := range [][]string{{"--annotation", "index:k=v"},
		{"--platform", "linux/amd64,linux/386", "--annotation", "manifest[linux/arm64]:k=v"}} {
		code, out := w.build(t.Context(), append(flags, "--force", "--retries", "2", "--provenance", "false")...)
		if code != ExitFailed {
			t.Fatalf("%v: exit code %d\n%s", flags, code, out)
		}
		if e := w.manifest()[0]; e.AttemptCount != 1 || e.Failure == nil || e.Failure.Why != "the image cannot have these annotations" {
			t.Errorf("%v: %+v\n%s", flags, e, out)
		}
	}
}

func (w *workbench) readJSON(name string, to any) {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		w.t.Fatalf("%s: %v\n%s", name, err, data)
	}
}

// archived reads the manifest of the image in an OCI archive.
func archived(t *testing.T, path string) (m ocispecs.Manifest) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Size < 64<<10 {
			if files[header.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	var index ocispecs.Index
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	blob := files["blobs/sha256/"+index.Manifests[0].Digest.Encoded()]
	if index.Manifests[0].MediaType == ocispecs.MediaTypeImageIndex {
		var inner ocispecs.Index
		if err := json.Unmarshal(blob, &inner); err != nil {
			t.Fatal(err)
		}
		blob = files["blobs/sha256/"+inner.Manifests[0].Digest.Encoded()]
	}
	if err := json.Unmarshal(blob, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
