package report

import (
	"strings"
	"testing"
)

// A run tells of its own jobs: what other shards do is not missing from it.
func TestOwn(t *testing.T) {
	one := Seen{Record: shard(ended(record("out", 0, nil), 1, 0), 4, 4, 8)}
	if r := Own(one); r.AllJobs() != 0 || len(r.Missing) > 0 || Merge([]Seen{one}).AllJobs() != 8 {
		t.Errorf("of %d jobs", r.AllJobs())
	}
}

// That a record is not whole stands among the remarks of every format.
func TestNotesOfARecord(t *testing.T) {
	one := ended(record("out", 0, []string{"a"}), 1, 0)
	one.Notes = []string{"manifest.jsonl is missing"}
	r := Own(Seen{Record: one})
	for name, text := range map[string]string{"text": r.Text(), "Markdown": r.Markdown("")} {
		if !strings.Contains(text, "out: manifest.jsonl is missing") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
