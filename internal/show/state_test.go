package show

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// told is an event and its time in seconds.
type told struct {
	at    float64
	event journal.Event
}

func stateOf(events ...told) *State {
	var s State
	for _, e := range events {
		s.Apply(sec(e.at), e.event)
	}
	return &s
}

func TestStateCounts(t *testing.T) {
	s := stateOf(
		told{0, runOf(6, 2)},
		told{1, journal.JobStarted{Job: "a"}},
		told{1, journal.JobStarted{Job: "b"}},
		told{2, skipped("a", "exists")},
		told{3, journal.JobFinished{Entry: ledger.Entry{Name: "x", Status: "skipped_otherwise"}}},
		told{4, built("b", 3)},
		told{5, failed("c", "failed to solve: no", 1)},
		told{6, journal.BatchFinished{Batch: 1}},
		told{7, journal.Warning{Job: "d\x1b[2J", Message: "slow\nnetwork"}},
		told{8, journal.Stopping{Reason: "interrupted"}},
		told{9, unknownEvent{}},
	)
	want := State{
		started: sec(0), latest: sec(9), total: 6, batches: 2, workers: 2, nodes: []string{"node-a"}, outputDir: "stoker-out",
		built: 1, skipped: 2, failed: 1, batchesDone: 1,
		running: []*runningJob{}, failures: []failure{{"c", "no", "  failed to solve: no", "", 1}}, alike: map[string]int{"  failed to solve: no": 1}, warnings: []string{"d: slow network"},
		stopping: "interrupted", finishes: []time.Time{sec(4), sec(5)}, firstBegan: sec(1), quiet: sec(5),
	}
	if !reflect.DeepEqual(*s, want) {
		t.Errorf("got  %+v\nwant %+v", *s, want)
	}
	if !s.live() {
		t.Error("the run is not live before its end")
	}
	s.Apply(sec(10), journal.RunFinished{Summary: ledger.Summary{Total: 6}})
	if s.live() || s.summary == nil || s.summary.Total != 6 {
		t.Errorf("after the end: live %v, summary %+v", s.live(), s.summary)
	}
}

func TestStateRunningJob(t *testing.T) {
	s := stateOf(told{0, runOf(6, 2)})
	steps := []struct {
		at    float64
		event journal.Event
		want  string
	}{
		{1, journal.JobStarted{Job: "a"}, "checking"},
		{2, journal.AttemptStarted{Job: "a", Attempt: 1}, "starting"},
		{3, journal.StepStarted{Job: "a", Step: "[1/2] RUN \x1b[31mmake\n"}, "[1/2] RUN make"},
		{4, journal.AttemptFailed{Job: "a", Attempt: 1, Error: "no", Retry: true, Delay: 30}, "next attempt in 30s"},
		{34, journal.AttemptStarted{Job: "a", Attempt: 2}, "starting"},
		{35, journal.StepStarted{Job: "a", Step: "[2/2] COPY"}, "[2/2] COPY"},
		{36, journal.AttemptFailed{Job: "a", Attempt: 2, Error: "no"}, "[2/2] COPY"},
	}
	for _, step := range steps {
		s.Apply(sec(step.at), step.event)
		if len(s.running) != 1 {
			t.Fatalf("after %s: %d jobs running", step.event.Kind(), len(s.running))
		}
		if got := s.running[0].doing(sec(step.at)); got != step.want {
			t.Errorf("after %s: %q, want %q", step.event.Kind(), got, step.want)
		}
	}
	if j := s.running[0]; j.attempt != 2 || !j.since.Equal(sec(1)) {
		t.Errorf("attempt %d since %v", j.attempt, j.since)
	}
}

func TestStateKeepsOnlyTheLast(t *testing.T) {
	s := stateOf(told{0, runOf(500, 1)})
	for i := range 300 {
		s.Apply(sec(float64(i)), journal.Warning{Message: fmt.Sprint(i)})
		s.Apply(sec(float64(i)), failed(fmt.Sprint(i), "no "+strings.Repeat("x", i%50), 1))
	}
	if last := s.failures[keptFailures-1]; len(s.failures) != keptFailures || last.name != "299" || last.jobs != 6 {
		t.Errorf("failures: %v", s.failures)
	}
	if len(s.warnings) != keptWarnings || s.warnings[0] != "298" {
		t.Errorf("warnings: %v", s.warnings)
	}
	if len(s.finishes) != keptFinishes {
		t.Errorf("%d finishes", len(s.finishes))
	}
}

func TestTimeLeft(t *testing.T) {
	begin := []told{{0, runOf(10, 2)}, {0, journal.JobStarted{Job: "a"}}, {10, journal.AttemptStarted{Job: "a", Attempt: 1}}}
	tests := []struct {
		name   string
		events []told
		now    float64
		want   float64 // seconds; negative for no estimate
	}{
		{"nothing finished", nil, 60, -1},
		{"only skipped", []told{{1, skipped("s1", "")}, {1, skipped("s2", "")}, {1, skipped("s3", "")}}, 60, -1},
		{"fewer than the workers", []told{{30, built("a", 20)}}, 60, -1},
		// Two builds in 40 s from the first attempt on, and 8 to go.
		{"one for each worker", []told{{30, built("a", 20)}, {50, built("b", 40)}}, 50, 160},
		{"failures take time too", []told{{30, failed("a", "", 1)}, {50, built("b", 40)}}, 50, 160},
		{"skipped jobs only shorten the rest", []told{{30, built("a", 20)}, {50, built("b", 40)}, {50, skipped("c", "")}}, 50, 140},
		{"a stall shows", []told{{30, built("a", 20)}, {50, built("b", 40)}, {50, journal.JobStarted{Job: "c"}}}, 90, 320},
		{"nothing runs for a moment", []told{{30, built("a", 20)}, {50, built("b", 40)}}, 55, 180},
		{"nothing can run", []told{{30, built("a", 20)}, {50, built("b", 40)}}, 90, -1},
		{"all that runs waits for its builder", []told{{30, built("a", 20)}, {50, built("b", 40)}, {50, journal.JobStarted{Job: "c"}},
			{60, journal.BuilderLost{Job: "c"}}}, 90, -1},
		{"it is back", []told{{30, built("a", 20)}, {50, built("b", 40)}, {50, journal.JobStarted{Job: "c"}},
			{60, journal.BuilderLost{Job: "c"}}, {89, journal.Recovered{Job: "c", Mending: journal.MendBuilder}}}, 90, 320},
		{"stopping", []told{{30, built("a", 20)}, {50, built("b", 40)}, {51, journal.Stopping{}}}, 51, -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := stateOf(append(begin[:3:3], test.events...)...).Left(sec(test.now))
			switch {
			case test.want < 0 && ok:
				t.Errorf("an estimate of %v, want none", got)
			case test.want >= 0 && (!ok || got != ofSeconds(test.want)):
				t.Errorf("got %v (%v), want %vs", got, ok, test.want)
			}
		})
	}
}

// When builds get slower, the estimate follows the last of them.
func TestTimeLeftFollowsThePace(t *testing.T) {
	s := stateOf(told{0, runOf(400, 1)}, told{0, journal.AttemptStarted{Job: "j", Attempt: 1}})
	at := 0.0
	for i := range 200 {
		if at++; i >= 100 {
			at += 9
		}
		s.Apply(sec(at), built(fmt.Sprint(i), 1))
	}
	if got, ok := s.Left(sec(at)); !ok || got != 2000*time.Second {
		t.Errorf("got %v (%v), want 200 jobs of 10s", got, ok)
	}
}

// A run that goes on with another counts on from what that finished, and says so.
func TestKeptJobs(t *testing.T) {
	begin := runOf(16, 2)
	begin.Kept, begin.KeptBatches = 12, 1
	s := stateOf(told{0, begin}, told{0, journal.JobStarted{Job: "a"}}, told{1800, built("a", 1)})
	if s.done() != 13 || s.built != 1 || s.batchesDone != 1 || s.ImagesPerHour(sec(1800)) != 2 {
		t.Errorf("%d done, %d built, %d batches, %v images/h", s.done(), s.built, s.batchesDone, s.ImagesPerHour(sec(1800)))
	}
	f := frame{State: s, now: sec(1800), width: 80, height: 20}
	if text := f.String(); !strings.Contains(text, "13/16") || !strings.Contains(text, "1 built · 12 kept") {
		t.Errorf("the live view shows\n%s", text)
	}
	end := ledger.Summary{Total: 16, Built: 14, KeptBuilt: 10, Skipped: 2, KeptSkipped: 2, WallClockSeconds: 1.4}
	if text := FinalText(end, "", 0, false); !strings.HasPrefix(text, "done: 4 of 4 images built in 1.4s, 12 kept from before\n") {
		t.Errorf("the end is\n%s", text)
	}
}

func TestImagesPerHour(t *testing.T) {
	s := stateOf(told{0, runOf(10, 1)}, told{1, skipped("s", "")}, told{600, journal.JobStarted{Job: "a"}}, told{1800, built("a", 1)}, told{1800, built("b", 1)})
	if got := s.ImagesPerHour(sec(4200)); got != 2 {
		t.Errorf("got %v, want the 2 that were built in an hour of building", got)
	}
	if got := s.ImagesPerHour(sec(0)); got != 0 {
		t.Errorf("at the start: %v, want 0", got)
	}
}

// A note is no warning: it is said once, and is not kept in view.
func TestNotes(t *testing.T) {
	note := told{1, journal.Warning{Message: "shard 1/2: 3 of 6 jobs", Note: true}}
	if s := stateOf(told{0, runOf(3, 1)}, note); len(s.warnings) > 0 {
		t.Errorf("warnings %q", s.warnings)
	}
	if got, err := plainOf(told{0, runOf(3, 1)}, note); err != nil || !strings.Contains(got, "[0/3] note      shard 1/2: 3 of 6 jobs\n") || strings.Contains(got, "warning") {
		t.Errorf("%v\n%s", err, got)
	}
	m := modelOf()
	m.feed.close()
	_, cmd := update(t, m, newsOf(false, told{0, runOf(3, 1)}, note))
	if got := texts(messages(cmd)); len(got) != 1 || got[0] != "0:00:01 note shard 1/2: 3 of 6 jobs" {
		t.Errorf("above the view: %q", got)
	}
}
