package ledger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// Only what is known to be in a registry can be pulled.
func TestRefs(t *testing.T) {
	const digest = "sha256:0ca4f91de9db0ca4f91de9db0ca4f91de9db0ca4f91de9db0ca4f91de9db0ca4"
	tag := []string{"localhost:5000/out/a:1", "r.example/b:1"}
	for _, tt := range []struct {
		name  string
		entry Entry
		want  Ref
	}{
		{"pushed", Entry{Status: Built, Tags: tag, Digest: digest, Pushed: new(true)}, Ref{Image: "localhost:5000/out/a@" + digest, Digest: digest, Tags: tag, Status: Built}},
		{"there already", Entry{Status: Skipped, Tags: tag, Digest: digest}, Ref{Image: "localhost:5000/out/a@" + digest, Digest: digest, Tags: tag, Status: Skipped}},
		{"in a file", Entry{Status: Built, Tags: tag, Digest: digest, Pushed: new(false)}, Ref{Digest: digest, Tags: tag, Status: Built}},
		{"of a record that does not say", Entry{Status: Built, Tags: tag, Digest: digest}, Ref{Digest: digest, Tags: tag, Status: Built}},
		{"failed", Entry{Status: Failed, Tags: tag}, Ref{Tags: tag, Status: Failed}},
		{"no tags", Entry{Status: Built, Digest: digest, Pushed: new(true)}, Ref{Digest: digest, Tags: []string{}, Status: Built}},
	} {
		if got := RefOf(tt.entry); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// The references are there while the summary is.
func TestRefsOfARun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, RefsFile)
	l, _, err := Start(dir, StartOptions{Now: start, Plan: plan("a", "b")})
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, Built, "a")
	if _, err := l.Finish(Summarize(l.Entries(), 2, start, start)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	var refs map[string]Ref
	if err := json.Unmarshal(data, &refs); err != nil || len(refs) != 1 || refs["a"].Status != Built {
		t.Errorf("%s, %v", data, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, _, err = Start(dir, StartOptions{Now: start, Mode: Resume, Plan: plan("a", "b")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a run that goes on has %s: %v", RefsFile, err)
	}
}
