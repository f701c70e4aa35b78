package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/creack/pty"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/show"
)

const (
	// viewEnv has this program show a run that there is not, for so many seconds.
	viewEnv = "STOKER_BENCH_VIEW_SECONDS"
	// viewJobs are the jobs of that run, and viewRate its events a second.
	viewJobs, viewRate = 2000, 200
)

// view measures what the live view takes of a processor and of memory, on a terminal of its own.
func view(ctx context.Context, b *bench) (report.Report, error) {
	seconds := 30
	if b.quick {
		seconds = 5
	}
	r := report.Report{
		Title: fmt.Sprintf("The live view: %d jobs, %d events a second", viewJobs, viewRate),
		Text: fmt.Sprintf("A process that only shows a run, whose events are made up, for %d s, on a terminal of 120 columns and 40 rows that takes all that is drawn.",
			seconds),
		Columns: []report.Column{
			{Key: "share", Title: "of one processor", Unit: report.Percent, Chart: true},
			{Key: "memory", Title: "peak memory", Unit: report.Bytes, Chart: true},
			{Key: "drawn", Title: "drawn a second", Unit: report.Bytes},
		},
	}
	for _, w := range []struct{ name, keys string }{{"as it begins", ""}, {"the list of jobs open (j)", "j"}} {
		row, err := b.viewed(ctx, w.keys, seconds)
		if err != nil {
			return r, fmt.Errorf("%s: %w", w.name, err)
		}
		row.Way, row.Ours = w.name, true
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

// viewed has a process show the run, and presses keys after a second.
func (b *bench) viewed(ctx context.Context, keys string, seconds int) (row report.Row, err error) {
	self, err := os.Executable()
	if err != nil {
		return row, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), viewEnv+"="+strconv.Itoa(seconds), "TERM=xterm-256color")
	began := time.Now()
	terminal, err := pty.StartWithAttrs(cmd, &pty.Winsize{Rows: 40, Cols: 120}, &syscall.SysProcAttr{Setsid: true, Setctty: true})
	if err != nil {
		return row, err
	}
	defer terminal.Close()
	memory := watchMemory(cmd.Process.Pid)
	drawn := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, terminal) // until the process has ended
		drawn <- n
	}()
	time.AfterFunc(time.Second, func() { _, _ = io.WriteString(terminal, keys) })
	err = cmd.Wait()
	took := time.Since(began).Seconds()
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	row.Values = map[string]float64{"share": used.Seconds() / took * 100, "memory": float64(memory()), "drawn": float64(<-drawn) / took}
	return row, err
}

// showMadeUp shows a run that there is not.
func showMadeUp(seconds int) error {
	var jobs []show.Expected
	for i := range viewJobs {
		jobs = append(jobs, show.Expected{Name: fmt.Sprint("job-", i), Kind: "k", Base: fmt.Sprint(i % 50)})
	}
	v, err := show.New(show.ModeTTY, os.Stderr, show.Options{Jobs: jobs, Keys: os.Stdin})
	if err != nil {
		return err
	}
	v.Observe(time.Now(), journal.RunStarted{Jobs: viewJobs, Batches: 40, Workers: 16, Nodes: []string{"node"}})
	tick := time.NewTicker(time.Second / viewRate)
	defer tick.Stop()
	for i := range seconds * viewRate {
		v.Observe(<-tick.C, madeUp(i))
	}
	return v.Close()
}

// madeUp is the nth event of a run whose jobs have four each, sixteen of them at a time.
func madeUp(n int) journal.Event {
	name := fmt.Sprint("job-", n/64*16+n%16)
	switch n / 16 % 4 {
	case 0:
		return journal.JobStarted{Job: name, Node: "node"}
	case 1:
		return journal.AttemptStarted{Job: name, Attempt: 1}
	case 2:
		return journal.StepStarted{Job: name, Step: fmt.Sprintf("[2/5] RUN make %d", n)}
	}
	e := ledger.Entry{Name: name, Status: ledger.Built, AttemptCount: 1, DurationSeconds: 9}
	if n%37 == 0 {
		why := fmt.Sprint("no ", n%7)
		e.Status, e.Error, e.Failure = ledger.Failed, &why, &ledger.Failure{Class: "permanent", Message: why}
	}
	return journal.JobFinished{Entry: e}
}
