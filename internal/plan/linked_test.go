package plan

import (
	"os"
	"path/filepath"
	"testing"
)

func TestProvedHolds(t *testing.T) {
	const a, b = "docker.io/library/a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111", "docker.io/library/b:1@sha256:2222222222222222222222222222222222222222222222222222222222222222"
	const moved = "docker.io/library/a:1@sha256:3333333333333333333333333333333333333333333333333333333333333333"
	for _, tt := range []struct {
		images []string
		holds  bool
	}{
		{[]string{a}, true}, {[]string{b, a}, true}, {[]string{moved}, false}, {[]string{a, moved}, false}, {[]string{b}, false}, {nil, false},
	} {
		if got := (&Proved{Images: []string{a}}).Holds(tt.images); got != tt.holds {
			t.Errorf("%v: %t", tt.images, got)
		}
	}
	if !(*Proved)(nil).Holds(nil) {
		t.Error("a job of which nothing is proved does not hold")
	}
}

// A rewritten Dockerfile is another file, with the same name for people and the same ignore
// file; jobs with the same text share it.
func TestRewritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "my.Dockerfile")
	for name, text := range map[string]string{file: "FROM scratch\n", file + ".dockerignore": "none\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := &Plan{sources: &sources{}}
	defer p.Close()
	source, err := p.sources.read(place{context: dir, file: file})
	if err != nil {
		t.Fatal(err)
	}
	job := &Job{Name: "a", Source: source, Hash: "hash"}
	job.Options.Inputs = source.Inputs()
	one, err := Rewritten(p, job, []byte("FROM other\n"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Rewritten(p, job, []byte("FROM other\n"))
	if err != nil || again.Source != one.Source {
		t.Errorf("the same text is %v and %v (%v)", one.Source, again.Source, err)
	}
	at := one.Options.Inputs.DockerfilePath
	text, _ := os.ReadFile(at)
	ignored, _ := os.ReadFile(at + ".dockerignore")
	if at == job.Options.Inputs.DockerfilePath || string(text) != "FROM other\n" || string(ignored) != "none\n" || filepath.Base(at) != "my.Dockerfile" {
		t.Errorf("%s has %q and %q", at, text, ignored)
	}
	if one.Source.Name() != file || one.Hash != "hash" || string(job.Source.Dockerfile()) != "FROM scratch\n" || string(one.Source.Dockerfile()) != "FROM other\n" {
		t.Errorf("%+v", one)
	}
	if _, err := Rewritten(p, &Job{Source: &Source{name: "remote"}}, nil); err == nil {
		t.Error("a Dockerfile that was not read is rewritten")
	}
}
