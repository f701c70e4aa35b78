package plan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/rows"
	imagelist "github.com/stoker-build/stoker/internal/rows/images"
)

const dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS main\nRUN true\n"

// spec returns a usable spec over a Dockerfile.
func spec(t *testing.T, text string, templates ...string) Spec {
	t.Helper()
	return Spec{Context: files(t, map[string]string{"Dockerfile": text}), BaseArg: "BASE_IMAGE", TagTemplates: templates, BatchSize: 2}
}

// files returns a directory with files of these texts.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func images(refs ...string) rows.Input {
	var list []imagelist.Image
	for i, ref := range refs {
		list = append(list, imagelist.Image{Line: i + 1, Ref: ref})
	}
	in, err := imagelist.Input("bases.txt", list, nil)
	if err != nil {
		panic(err)
	}
	return in
}

// newPlan is New with its cleanup registered.
func newPlan(t *testing.T, s Spec, in rows.Input) (*Plan, error) {
	t.Helper()
	p, err := New(s, in)
	if err == nil {
		t.Cleanup(func() { _ = p.Close() })
	}
	return p, err
}

func TestSameTagNamesBothJobs(t *testing.T) {
	_, err := newPlan(t, spec(t, dockerfile, "r.example/agent:{{.Tag}}"), images("a/one:1", "a/two:1", "a/three:2"))
	wantInputError(t, err, "-t: 2 jobs would get the tag r.example/agent:1: one, two")
}

func TestBadSpecs(t *testing.T) {
	tests := []struct {
		name, dockerfile string
		change           func(*Spec)
		says             string
	}{
		{"no such stage", dockerfile, func(s *Spec) { s.Target = "release" }, `no stage is named "release"`},
		{"unknown instruction", "FORM debian\n", nil, "unknown instruction"},
		{"no stages", "ARG BASE_IMAGE\n", nil, "no stages"},
		{"push without a tag", dockerfile, func(s *Spec) { s.Push = true }, "a tag is needed"},
		{"platform", dockerfile, func(s *Spec) { s.Platforms = []string{"a/b/c/d"} }, "--platform"},
		{"secret", dockerfile, func(s *Spec) { s.Secrets = []string{"id=x,src=/does/not/exist"} }, "--secret"},
		{"cache", dockerfile, func(s *Spec) { s.CacheTo = []string{"mode=max"} }, "--cache-to"},
		{"output", dockerfile, func(s *Spec) { s.Outputs = []string{"type=local"} }, "--output"},
		{"limit", dockerfile, func(s *Spec) { s.Ulimits = []string{"nofile=a"} }, `--ulimit: "nofile=a" is not TYPE=SOFT[:HARD]`},
		{"resource", dockerfile, func(s *Spec) { s.Resources = []string{"memory=1g", "cpu-quota=x"} }, `--resource: "cpu-quota=x" is not KEY=VALUE`},
		{"memory", dockerfile, func(s *Spec) { s.ShmSize = "x" }, `--shm-size: "x" is not a size`},
		{"network", dockerfile, func(s *Spec) { s.NetworkMode = "bridge" }, `--network: "bridge" is not default, host or none`},
		{"host", dockerfile, func(s *Spec) { s.ExtraHosts = []string{"a=10.0.0.1", "db"} }, `--add-host: "db" is not a host and its address`},
		{"attestation", dockerfile, func(s *Spec) { s.Attests = []string{"mode=max"} }, "--attest, --provenance or --sbom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.dockerfile)
			if tt.change != nil {
				tt.change(&s)
			}
			_, err := newPlan(t, s, images("debian"))
			var input *InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want an InputError that says %q", err, tt.says)
			}
		})
	}
}

func TestJobNames(t *testing.T) {
	names := func(refs ...string) []string {
		t.Helper()
		p, err := newPlan(t, spec(t, dockerfile), images(refs...))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, j := range p.Jobs {
			names = append(names, j.Name)
		}
		return names
	}
	got := names("a/one:1", "b/one:1", "c/two", "d/three@sha256:"+strings.Repeat("b", 64))
	if got[0] != "one" || !strings.HasPrefix(got[1], "one-") || got[2] != "two" || got[3] != "three" {
		t.Errorf("names %q", got)
	}
	// What is added at the end changes no name, nor does the order of the rest.
	if more := names("a/one:1", "c/two", "b/one:1", "a/one:2", "c/two:3"); more[0] != "one" || more[1] != "two" || more[2] != got[1] {
		t.Errorf("names %q become %q", got, more)
	}
}

func TestBatchesAndOrder(t *testing.T) {
	p, err := newPlan(t, spec(t, dockerfile), images("a", "b", "c", "d"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Batches() != 2 || p.Batch(1) != 1 || p.Batch(2) != 2 {
		t.Errorf("%d batches; job 2 in %d, job 3 in %d", p.Batches(), p.Batch(1), p.Batch(2))
	}
	p.Reorder([]int{2, 0, 3, 1})
	var order string
	for _, j := range p.Jobs {
		order += j.Name
	}
	if order != "cadb" {
		t.Errorf("order %s", order)
	}
	if p.limit(3); len(p.Jobs) != 3 || p.Batches() != 2 {
		t.Errorf("limit leaves %d jobs in %d batches", len(p.Jobs), p.Batches())
	}
}

func TestAttemptsDoNotShareOptions(t *testing.T) {
	s := spec(t, dockerfile, "r.example/a:{{.Name}}")
	s.Push = true
	p, err := newPlan(t, s, images("one", "two"))
	if err != nil {
		t.Fatal(err)
	}
	first := p.Jobs[0].BuildOptions()
	first.BuildArgs["BASE_IMAGE"] = "changed"
	first.Exports[0].Attrs["name"] = "changed"
	first.Tags[0] = "changed"
	for _, j := range p.Jobs {
		o := j.BuildOptions()
		if o.BuildArgs["BASE_IMAGE"] != j.Base || o.Exports[0].Attrs["name"] == "changed" || o.Tags[0] == "changed" {
			t.Errorf("%s: options %v %v %v", j.Name, o.BuildArgs, o.Exports[0].Attrs, o.Tags)
		}
	}
}
