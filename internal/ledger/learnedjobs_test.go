package ledger

import (
	"fmt"
	"maps"
	"testing"
)

func TestLearnedJobs(t *testing.T) {
	built := func(name string, seconds, pull float64) Entry {
		return Entry{Name: name, Status: Built, Timings: Timings{StepCount: 4}, BuildSeconds: seconds, Phases: &Phases{Pull: pull}}
	}
	cached, failed := built("cached", 9, 0), built("failed", 9, 0)
	cached.CachedStepCount, failed.Status = 4, Failed
	before := LearnedJobs{"a": 2, "other": 7}
	got := before.Learn([]Entry{built("a", 5, 1), built("b", 6, 1), cached, failed, built("pulled", 3, 3)})
	if want := (LearnedJobs{"a": 3, "b": 5, "other": 7}); !maps.Equal(got, want) {
		t.Errorf("learned %v, want %v", got, want)
	}
	dir := t.TempDir()
	if err := WriteLearnedJobs(dir, "kind", got); err != nil {
		t.Fatal(err)
	}
	if read := ReadLearnedJobs(dir, "kind"); !maps.Equal(read, got) {
		t.Errorf("read %v, want %v", read, got)
	}
	if none := ReadLearnedJobs(dir, "another"); len(none) > 0 {
		t.Errorf("of another kind there is %v", none)
	}
}

// What is kept of jobs does not grow without end: names may be others in each run.
func TestLearnedJobsAreBounded(t *testing.T) {
	many := LearnedJobs{}
	for i := range mostLearnedJobs {
		many[fmt.Sprint(i)] = 1
	}
	if got := many.Learn([]Entry{{Name: "new", Status: Built, BuildSeconds: 1}}); len(got) != 1 {
		t.Errorf("%d jobs are kept", len(got))
	}
}
