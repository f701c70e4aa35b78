package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/timeline"
)

func stepFailure(step string) ledger.Failure {
	return ledger.Failure{Class: string(builder.StepFailed), Step: step, ExitCode: 1}
}

func TestHopeless(t *testing.T) {
	failed := func(f ledger.Failure) ledger.Entry {
		return ledger.Entry{Status: ledger.Failed, AttemptCount: 1, Failure: &f}
	}
	ten := func(last ledger.Entry) (entries []ledger.Entry) {
		for range hopelessAfter - 1 {
			entries = append(entries, ledger.Entry{Status: ledger.Skipped}, failed(stepFailure("RUN a")))
		}
		return append(entries, last)
	}
	permanent := func(image string) ledger.Entry {
		return failed(ledger.Failure{Class: string(builder.Permanent), Why: "the registry denies access", Message: image})
	}
	var denied []ledger.Entry
	for i := range hopelessAfter {
		denied = append(denied, permanent(fmt.Sprint("image-", i)))
	}
	var missing, early []ledger.Entry
	for i := range hopelessAfter {
		missing = append(missing, failed(ledger.Failure{Class: string(builder.Permanent), Why: "the image does not exist", Image: fmt.Sprint("image-", i)}))
		early = append(early, failed(ledger.Failure{Class: string(builder.Permanent), Why: "the image does not exist", Image: "image"}))
		early[i].AttemptCount = 0
	}
	elsewhere := func(dir string) ledger.Entry {
		f := stepFailure("RUN a")
		f.File, f.Line = dir+"/Dockerfile", 3
		return failed(f)
	}
	var ofTheirOwn, ofOne []ledger.Entry
	for i := range hopelessAfter {
		ofTheirOwn, ofOne = append(ofTheirOwn, elsewhere(fmt.Sprint(i))), append(ofOne, elsewhere("ctx"))
	}
	for _, tt := range []struct {
		name    string
		entries []ledger.Entry
		want    string
	}{
		{"the same step", ten(failed(stepFailure("RUN a"))), "RUN a: exit code: 1"},
		{"the same reason for good", denied, "the registry denies access: image-0"},
		{"images that do not exist", missing, ""},
		{"an image that does not exist, which was found out before an attempt", early, ""},
		{"the same step of one Dockerfile", ofOne, "ctx/Dockerfile:3: RUN a: exit code: 1"},
		{"the same step of Dockerfiles of their own", ofTheirOwn, "Dockerfile:3: RUN a: exit code: 1"},
		{"another step", ten(failed(stepFailure("RUN b"))), ""},
		{"another step among them", append([]ledger.Entry{failed(stepFailure("RUN b"))}, ten(failed(stepFailure("RUN a")))...), "RUN a: exit code: 1"},
		{"one that was built", ten(ledger.Entry{Status: ledger.Built}), ""},
		{"too few", ten(failed(stepFailure("RUN a")))[1:], ""},
		{"what may get better", ten(failed(ledger.Failure{Class: string(builder.Transient)})), ""},
		{"of an older version", ten(ledger.Entry{Status: ledger.Failed, ErrorClass: string(builder.Permanent)}), ""},
	} {
		if tt.name == "too few" {
			tt.entries = tt.entries[1:]
		}
		if got := hopeless(tt.entries); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTooMany(t *testing.T) {
	for failed, want := range map[int]string{1: "1 job failed, more than --max-failures allows", 2: "2 jobs failed, more than --max-failures allows"} {
		if got := tooMany(failed).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// steps is a builder of which each build fails in the same step, but for those that ok
// tells.
type steps struct {
	ok       func(job string, attempt int) bool
	journal  *journal.Journal
	mu       sync.Mutex
	attempts map[string]int
	all      int
}

func (b *steps) Build(_ context.Context, _ []string, job *plan.Job, _ io.Writer, _ builder.Watch) (builder.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all++
	b.attempts[job.Name]++
	if b.ok(job.Name, b.attempts[job.Name]) {
		return builder.Result{}, nil
	}
	return builder.Result{}, errors.New(`failed to solve: process "/bin/sh -c x" did not complete successfully: exit code: 1`)
}

func (*steps) DropPushed(context.Context, *plan.Job) error { return nil }

func (b *steps) run(t *testing.T, jobs, workers int) ledger.Summary {
	t.Helper()
	return b.goOn(t, jobs, workers, filepath.Join(t.TempDir(), "out"))
}

// goOn runs in a directory, and goes on with the run there, if any.
func (b *steps) goOn(t *testing.T, jobs, workers int, dir string) ledger.Summary {
	t.Helper()
	p := &plan.Plan{BatchSize: 15}
	for i := range jobs {
		p.Jobs = append(p.Jobs, &plan.Job{Name: fmt.Sprint("job-", i), Source: &plan.Source{}})
	}
	start := ledger.StartOptions{Now: time.Now(), Mode: ledger.Resume}
	for _, job := range p.Jobs {
		start.Plan.Jobs = append(start.Plan.Jobs, ledger.PlanJob{Name: job.Name})
	}
	record, resumed, err := ledger.Start(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	b.attempts = map[string]int{}
	s, err := Run(t.Context(), Options{Plan: p, Builder: b, Nodes: []Node{nodetest.New("one", 0)}, Ledger: record, Journal: b.journal, Resume: ResumeOptions{Kept: resumed.Entries}, Workers: workers,
		AttemptOptions: AttemptOptions{Retries: 2, RetriesStep: 1, RetryDelay: 5 * time.Millisecond, RetryDelayMax: 5 * time.Millisecond},
		MaxFailures:    -1, Prune: node.PruneOptions{Policy: node.PruneOff, Pause: time.Second, Timeout: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A step that is broken in all jobs costs one attempt more than the jobs that it takes
// to see that, and no more are started.
func TestBrokenStepEndsTheRun(t *testing.T) {
	for _, workers := range []int{1, 4, hopelessAfter} {
		b := &steps{ok: func(string, int) bool { return false }}
		s := b.run(t, 300, workers)
		if s.Failed != hopelessAfter || b.all != hopelessAfter+1 || !strings.Contains(s.StopReason, "290 were not tried: exit code: 1") {
			t.Errorf("%d workers: %d failed after %d attempts, stopped for %q", workers, s.Failed, b.all, s.StopReason)
		}
	}
}

// That goes for a run that goes on with another as well, of which a job was built.
func TestBrokenStepEndsAResumedRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	b := &steps{ok: func(job string, _ int) bool { return job == "job-0" }}
	if s := b.goOn(t, 1, 1, dir); s.Built != 1 {
		t.Fatalf("%d built", s.Built)
	}
	b.all = 0
	if s := b.goOn(t, 300, 4, dir); s.Built != 1 || s.Failed != hopelessAfter || b.all != hopelessAfter+1 {
		t.Errorf("%d built, %d failed after %d attempts, stopped for %q", s.Built, s.Failed, b.all, s.StopReason)
	}
}

// A step that only fails the first time costs no job, also where all begin with it.
func TestFlakyStepCostsNoJob(t *testing.T) {
	b := &steps{ok: func(_ string, attempt int) bool { return attempt > 1 }}
	if s := b.run(t, 30, 4); s.Built != 30 {
		t.Errorf("%d built, stopped for %q", s.Built, s.StopReason)
	}
}

// A job that waits for how it goes with another one has no worker, and the journal says so: of
// no more workers than there are anything is told.
func TestHeldJobsHaveNoWorker(t *testing.T) {
	b := &steps{ok: func(_ string, attempt int) bool { return attempt > 1 }, journal: journal.New()}
	told, held := &timeline.Run{}, 0
	all := b.journal.Subscribe(0, func(at time.Time, e journal.Event) {
		told.Apply(at, e)
		if _, is := e.(journal.JobHeld); is {
			held++
		}
	})
	s := b.run(t, 30, 4)
	if err := all.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	if lanes := told.Lanes("one"); s.Built != 30 || held == 0 || lanes == 0 || lanes > 4 {
		t.Errorf("%d built by %d workers of 4, %d held", s.Built, lanes, held)
	}
}

// Jobs that others are built beside go on failing alone, each after a further attempt.
func TestBrokenStepOfSomeJobs(t *testing.T) {
	b := &steps{ok: func(job string, _ int) bool { return strings.HasSuffix(job, "0") }}
	s := b.run(t, 40, 1)
	if s.Built != 4 || s.Failed != 36 || s.StopReason != "" {
		t.Errorf("%d built, %d failed, stopped for %q", s.Built, s.Failed, s.StopReason)
	}
	// One in vain for each stretch between jobs that were built, at most.
	if b.all <= 40 || b.all > 40+5 {
		t.Errorf("%d attempts", b.all)
	}
}

// A job that goes back to the queue, to wait for a registry, does not keep others
// from starting.
func TestProbationOfJobsThatWait(t *testing.T) {
	p := probation{started: hopelessAfter}
	p.fail(stepFailure("RUN a"))
	if !p.holds() {
		t.Error("after the first failure of as many as it takes, more may start")
	}
	p.started--
	if p.holds() {
		t.Error("a job that waits counts as one that has started")
	}
}
