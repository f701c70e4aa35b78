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

// tellRun writes what people read of a run that has just ended, and whose record is still open.
func tellRun(record *ledger.Ledger, summary ledger.Summary, w io.Writer) {
	warn := func(format string, err error) {
		if err != nil {
			fmt.Fprintf(w, "warning: "+format+"\n", err)
		}
	}
	own, err := reportOn(record)
	if err == nil {
		err = showPage(record, own)
	}
	warn("there is no "+ledger.PageFile+": %s", err)
	drawing := own.drawing()
	warn("there is no "+ledger.MarkdownFile+": %s", record.Tell(summary.Markdown(true, drawing)))
	warn("the summary is not on the job's page: %s", appendStepSummary(summary.Markdown(false, drawing)))
}

// reportOn is the report of a run that this process holds.
func reportOn(record *ledger.Ledger) (reported, error) {
	own, err := ledger.Look(record.Dir())
	if err != nil {
		return reported{}, err
	}
	own.Writing = false
	r := reportOf([]ledger.Record{own}, true)
	r.Missing = nil // other shards are other runs' to tell of
	return r, nil
}

func showPage(record *ledger.Ledger, own reported) error {
	var page bytes.Buffer
	if err := writePage(own, &page); err != nil {
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
func writePage(r reported, w io.Writer) error {
	runs, err := r.runs()
	if err != nil {
		return err
	}
	compared, err := r.comparison()
	if err != nil {
		return err
	}
	d := page.Data{Report: r.Report, Comparison: compared, Made: time.Now(), Tail: tailIn(r.records)}
	for i, run := range runs {
		d.Runs = append(d.Runs, page.Run{Dir: r.records[i].Dir, Run: run})
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

// tailIn reads the ends of logs that records have.
func tailIn(records []ledger.Record) func(log string) []string {
	dirs := map[string]string{}
	for _, record := range records {
		for _, e := range record.Entries {
			if e.LogPath != nil {
				dirs[*e.LogPath] = record.Dir
			}
		}
	}
	return func(log string) []string { return ledger.Tail(dirs[log], log, tailLines) }
}

// timelineOf reads what a run did over time.
func timelineOf(dir string) (*timeline.Run, error) {
	run := &timeline.Run{}
	if err := replayOf(dir, run.Apply); err != nil {
		return nil, fmt.Errorf("the events of %s cannot be read: %w", dir, err)
	}
	return run, nil
}
