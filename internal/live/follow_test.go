package live

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// writer is another process's run.
type writer struct {
	t      *testing.T
	record *ledger.Ledger
}

func begun(t *testing.T, dir string, mode ledger.Mode, jobs ...string) writer {
	t.Helper()
	o := ledger.StartOptions{Now: time.Now(), Mode: mode}
	for _, name := range jobs {
		o.Plan.Jobs = append(o.Plan.Jobs, ledger.PlanJob{Name: name, Tags: []string{name}})
	}
	record, _, err := ledger.Start(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	w := writer{t, record}
	w.tell(journal.RunStarted{Jobs: len(jobs), Workers: 1, Nodes: []string{"node"}})
	return w
}

func (w writer) tell(e journal.Event) {
	w.t.Helper()
	line, err := journal.Marshal(time.Now(), e)
	if err == nil {
		err = w.record.Event(line)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// end ends a job as the ledger has it: on record, then told.
func (w writer) end(job string, s ledger.Status) {
	w.t.Helper()
	now := ledger.Time{Time: time.Now()}
	e := ledger.Entry{Name: job, Tags: []string{job}, Digest: "sha256:1", Status: s, Time: now, FinishedAt: now, Pushed: new(true)}
	if s == ledger.Failed {
		e.Failure = &ledger.Failure{Message: "it broke"}
	}
	if err := w.record.Add(e); err != nil {
		w.t.Fatal(err)
	}
	w.tell(journal.JobFinished{Entry: e})
}

func (w writer) close() {
	w.t.Helper()
	if err := w.record.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// follow follows the run in a directory until the test ends.
func follow(t *testing.T, dir string) *Run {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Follow(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f.Run()
}

// shows waits until the page says something.
func shows(t *testing.T, run *Run, want string) {
	t.Helper()
	var whole []byte
	for range 100 {
		var err error
		if whole, err = run.page(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(whole), want) {
			return
		}
		time.Sleep(pace / 5)
	}
	t.Fatalf("the page does not come to say %q:\n%s", want, whole)
}

func TestFollowingAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	w := begun(t, dir, ledger.Fresh, "a", "b")
	w.end("a", ledger.Failed)
	run := follow(t, dir)
	shows(t, run, "0 of 2 images are there so far")
	shows(t, run, "it broke")
	w.tell(journal.JobStarted{Job: "b", Node: "node"})
	w.tell(journal.StepStarted{Job: "b", Step: "RUN make"})
	shows(t, run, "RUN make")

	// A line counts once it is whole.
	events := filepath.Join(dir, ledger.EventsFile)
	whole, err := journal.Marshal(time.Now(), journal.StepStarted{Job: "b", Step: "RUN make install"})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{string(whole[:20]), string(whole[20:]) + "\n"} {
		f, err := os.OpenFile(events, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(part); err != nil {
			t.Fatal(err)
		}
		f.Close()
		time.Sleep(2 * pace) // so that the first part is seen alone
	}
	shows(t, run, "RUN make install")

	// One that is killed goes on no more; who goes on with it is followed.
	w.close()
	shows(t, run, ">killed<")
	shows(t, run, "Nothing goes on: the run is killed.")
	numbers, err := run.metrics.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`stoker_jobs{state="running"} 0`, `stoker_jobs{state="waiting"} 0`, `stoker_jobs{state="unfinished"} 1`} {
		if !strings.Contains(string(numbers), want+"\n") {
			t.Errorf("its numbers lack %s", want)
		}
	}
	if strings.Contains(string(numbers), "stoker_node_up{") {
		t.Error("its nodes are said to be up or down")
	}
	before := run.name()
	w = begun(t, dir, ledger.Resume, "a", "b")
	w.end("a", ledger.Built)
	shows(t, run, "1 of 2 images are there so far")
	if run.name() == before {
		t.Error("rows of before are said to count on")
	}
	w.end("b", ledger.Built)
	w.tell(journal.RunFinished{Summary: ledger.Summary{Total: 2, Built: 2}})
	shows(t, run, "All 2 images are there")
	w.close()

	// As is a run that takes its place.
	w = begun(t, dir, ledger.Fresh, "c", "d", "e")
	defer w.close()
	shows(t, run, "0 of 3 images are there so far")
}

// Who looks at a run that may be gone on with is told of its end, and then that all begins anew.
func TestViewersOfAFollowedRun(t *testing.T) {
	dir := t.TempDir()
	begun(t, dir, ledger.Fresh, "a").close()
	run := follow(t, dir)
	s := serve(t, run)
	answer, err := http.Get(s.URL() + "events?rows=0&run=" + run.name())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	events := bufio.NewScanner(answer.Body)
	events.Buffer(nil, 1<<20)
	var last, again bool
	told(t, events, "end", &last)
	if last {
		t.Error("the run is said to have ended for good")
	}
	defer begun(t, dir, ledger.Resume, "a").close()
	told(t, events, "again", &again)
}

func TestNoRunToFollow(t *testing.T) {
	if _, err := Open(t.TempDir()); !errors.As(err, new(*ledger.NoRunError)) {
		t.Errorf("%v", err)
	}
}
