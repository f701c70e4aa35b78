package plan

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/client"
)

// hashedPlan is a plan whose tags and more have the hash of the graph.
func hashedPlan(t *testing.T, change func(*Spec)) (*Plan, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nARG V\nCOPY ${V} /\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Context: dir, BuildArgs: map[string]string{"V": "{{.id}}"}, TagTemplates: []string{"r.example/{{.id}}:{{.GraphHash | trunc 8}}"},
		MetadataFile: "{{.id}}-{{.GraphHash}}.json", Outputs: []string{"type=image,push=true"}, CacheTo: []string{"type=registry,ref=r.example/cache:{{.GraphHash}}"}}
	change(&spec)
	p, err := New(spec, jsonRows(t, `{"id":"a"}`, `{"id":"b"}`))
	if err == nil {
		t.Cleanup(func() { _ = p.Close() })
	}
	return p, err
}

func fill(p *Plan, hashes map[string]string) error {
	return p.FillHashes(func(j *Job) (string, error) {
		if hashes[j.Name] == "" {
			return "", errors.New("nobody tells")
		}
		return hashes[j.Name], nil
	})
}

func TestGraphHashIsFilledIn(t *testing.T) {
	p, err := hashedPlan(t, func(*Spec) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Jobs[0].Tags[0]; got != "r.example/a:unknown-" || len(p.Hashed()) != 2 || !strings.Contains(p.HashNote(), "unknown-hash") {
		t.Errorf("before, the tag is %q, of %d jobs", got, len(p.Hashed()))
	}
	if err := fill(p, map[string]string{"a": "0123456789ab", "b": "ba9876543210"}); err != nil {
		t.Fatal(err)
	}
	a := p.Jobs[0]
	if a.Tags[0] != "r.example/a:01234567" || a.MetadataFile != "a-0123456789ab.json" || len(a.Options.Exports) != 1 ||
		len(a.Options.CacheTo) != 1 || a.Options.CacheTo[0].Attrs["ref"] != "r.example/cache:0123456789ab" {
		t.Errorf("tags %q, metadata %q, %d outputs, caches %+v", a.Tags, a.MetadataFile, len(a.Options.Exports), a.Options.CacheTo)
	}
	if len(p.Hashed()) != 0 || p.HashNote() != "" {
		t.Error("it is still said not to be known")
	}
	if !p.TagsHashed() {
		t.Error("the tags are said to have no hash")
	}
	p, err = hashedPlan(t, func(s *Spec) { s.TagTemplates = append(s.TagTemplates, "r.example/{{.id}}:latest") })
	if err == nil {
		err = fill(p, map[string]string{"a": "0123456789ab", "b": "ba9876543210"})
	}
	if err != nil || p.TagsHashed() {
		t.Errorf("a tag that has none is said to have one (%v)", err)
	}
	if p, err = hashedPlan(t, func(*Spec) {}); err == nil {
		err = fill(p, map[string]string{"a": "0123456789ab"})
	}
	if err != nil || p.Jobs[1].Problem == nil || !p.TagsHashed() {
		t.Errorf("beside a job whose hash was not told, tags are said to have none (%v)", err)
	}
}

// Jobs that get the same hash share what is called by it alone; one of which nobody tells cannot be built.
func TestGraphHashIsCheckedOnceItIsKnown(t *testing.T) {
	alone := func(s *Spec) { s.TagTemplates, s.CacheTo = []string{"r.example/x:{{.GraphHash}}"}, nil }
	p, err := hashedPlan(t, alone)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(p, map[string]string{"a": "0123456789ab", "b": "0123456789ab"}); err == nil || !strings.Contains(err.Error(), "2 jobs would get the tag r.example/x:0123456789ab: a, b") {
		t.Errorf("of the same tag is said %v", err)
	}
	if p, err = hashedPlan(t, alone); err != nil {
		t.Fatal(err)
	}
	if err := fill(p, map[string]string{"a": "0123456789ab"}); err != nil || p.Jobs[0].Problem != nil {
		t.Error(err, p.Jobs[0].Problem)
	}
	if problem := p.Jobs[1].Problem; problem == nil || problem.Error() != "{{.GraphHash}} cannot be told: nobody tells" {
		t.Errorf("the problem is %v", problem)
	}
}

func TestGraphHashIsNoPartOfWhatIsHashed(t *testing.T) {
	for what, change := range map[string]func(*Spec){
		"--label x":     func(s *Spec) { s.Labels = map[string]string{"x": "{{.GraphHash}}"} },
		"--base":        func(s *Spec) { s.Base = "r.example/x:{{.GraphHash}}" },
		"--build-arg V": func(s *Spec) { s.BuildArgs["V"] = "{{.id}}{{.GraphHash}}" },
		"--cache-from":  func(s *Spec) { s.CacheFrom = []string{"type=registry,ref=r.example/cache:{{.GraphHash}}"} },
		"--annotation":  func(s *Spec) { s.Annotations = []string{"a={{.GraphHash}}"} },
	} {
		_, err := hashedPlan(t, change)
		if err == nil || !strings.HasPrefix(err.Error(), what) || !strings.Contains(err.Error(), "it can be used in -t, --metadata-file, --output and --cache-to") {
			t.Errorf("%s: %v", what, err)
		}
	}
	j := Job{Name: "x", Options: build.Options{Inputs: build.Inputs{NamedContexts: map[string]build.NamedContext{"base": {Path: "docker-image://r.example/x:{{.GraphHash}}"}}}}}
	if err := j.TakeGraphHash(); err == nil || !strings.HasPrefix(err.Error(), "x: context base: ") {
		t.Error(err)
	}
}

// A job that was not made of flags has the texts filled in that are templates of the hash, and no others.
func TestGraphHashInTexts(t *testing.T) {
	j := &Job{Name: "x", Tags: []string{"r.example/x:v1-{{.GraphHash}}", "r.example/x:v1"}, Options: build.Options{
		Exports: []client.ExportEntry{{Type: "local", OutputDir: "out/{{.GraphHash}}"}, {Type: "image", Attrs: map[string]string{"name": "{{.GraphHash}}", "a": "{{.Other}}"}}}}}
	if err := j.TakeGraphHash(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(j.Tags, []string{"r.example/x:v1-unknown-hash", "r.example/x:v1"}) {
		t.Errorf("before, the tags are %q", j.Tags)
	}
	p := &Plan{Jobs: []*Job{j}}
	if err := fill(p, map[string]string{"x": "0123456789ab"}); err != nil {
		t.Fatal(err)
	}
	e := j.Options.Exports
	if !slices.Equal(j.Tags, []string{"r.example/x:v1-0123456789ab", "r.example/x:v1"}) || e[0].OutputDir != "out/0123456789ab" || e[1].Attrs["name"] != "0123456789ab" || e[1].Attrs["a"] != "{{.Other}}" {
		t.Errorf("tags %q, outputs %+v", j.Tags, e)
	}
	plain := &Job{Name: "y", Tags: []string{"r.example/y:1"}}
	if err := plain.TakeGraphHash(); err != nil || (&Plan{Jobs: []*Job{plain}}).Hashed() != nil {
		t.Error("one without it waits for it", err)
	}
}
