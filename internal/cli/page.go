package cli

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/live"
	"github.com/stoker-build/stoker/internal/page"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/timeline"
)

// tailLines is how many lines of a failed job's log a page shows.
const tailLines = 20

// showPage writes the page of a run that has just ended, and whose record is still open.
func showPage(record *ledger.Ledger, dir string) error {
	own, err := ledger.Look(dir)
	if err != nil {
		return err
	}
	own.Writing = false // it is this process that holds it
	var page bytes.Buffer
	r, err := newReported([]ledger.Record{own}, true)
	if err != nil {
		return err
	}
	if err := writePage(r, &page); err != nil {
		return err
	}
	return record.Show(page.Bytes())
}

func addListen(f *pflag.FlagSet, address *string) {
	f.StringVar(address, "listen", "", "serve a page that follows the run at `ADDRESS`, such as 127.0.0.1:8080; other machines need the token of its address")
}

// pageQueue is how many events may wait to be taken in for a page.
const pageQueue = 10000

// servePage serves a page that follows the run whose record is open, if it is to be, and
// returns what ends that.
func (o *runOptions) servePage(j *journal.Journal, w io.Writer) (stop func(), err error) {
	if o.listen == "" {
		return func() {}, nil
	}
	record, err := ledger.Look(o.outputDir)
	if err != nil {
		return nil, err
	}
	run := live.NewRun(record)
	server, err := live.Serve(o.listen, run)
	if err != nil {
		return nil, fmt.Errorf("--listen %w", err)
	}
	told := j.Subscribe(pageQueue, run.Apply)
	fmt.Fprintf(w, "the run can be followed at %s\n", server.URL())
	return func() {
		_ = told.Close(show.Patience)
		_ = server.Close()
	}, nil
}

// writePage writes what is reported as a page.
func writePage(r *reported, w io.Writer) error {
	seen := r.seen
	if seen == nil {
		var err error
		if seen, err = seenOf(r.records); err != nil {
			return err
		}
	}
	d := page.Data{Report: r.Report, Comparison: r.Comparison, Made: time.Now(), Tail: func(log string) []string { return ledger.Tail(log, tailLines) }}
	for _, one := range seen {
		d.Runs = append(d.Runs, page.Run{Dir: one.Dir, Run: one.Events})
	}
	if len(r.records) == 1 {
		dir := r.records[0].Dir
		if steps, err := ledger.ReadSteps(dir); err == nil { // a run that was killed, or is old, has none
			_, before := ledger.StepsBefore(dir)
			d.Steps, d.Lines = steps, explain.Run(steps, before)
		}
	}
	return page.Write(w, d)
}

// timelineOf reads what a run did over time.
func timelineOf(dir string) (*timeline.Run, error) {
	run := &timeline.Run{}
	return run, replayOf(dir, run.Apply)
}
