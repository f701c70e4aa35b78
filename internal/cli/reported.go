package cli

import (
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/sketch"
	"github.com/stoker-build/stoker/internal/timeline"
)

// reported is what is reported, and what it is made of.
type reported struct {
	report.Report
	records []ledger.Record
	// runs are what the runs did over time, read once.
	runs func() ([]*timeline.Run, error)
	// comparison is that of two runs with jobs in common; nil for others.
	comparison func() (*report.Comparison, error)
}

// reportOf is the report on runs. Those of one directory are in no order that anybody has chosen.
func reportOf(records []ledger.Record, ofOne bool) reported {
	seen, _ := seenOf(records) // what cannot be read is told as unknown
	r := reported{Report: report.Merge(seen), records: records}
	r.runs = sync.OnceValues(func() (runs []*timeline.Run, err error) {
		for _, one := range seen {
			run := one.Events
			if run == nil {
				if run, err = timelineOf(one.Dir); err != nil {
					return nil, err
				}
			}
			runs = append(runs, run)
		}
		return runs, nil
	})
	r.comparison = func() (*report.Comparison, error) { return r.compare(ofOne) }
	return r
}

// compare sets two runs beside each other. A is the one that is named first, of one directory
// the one that began first.
func (r reported) compare(ofOne bool) (*report.Comparison, error) {
	if len(r.records) != 2 {
		return nil, nil
	}
	runs, err := r.runs()
	if err != nil {
		return nil, err
	}
	var two []report.Seen
	for i, record := range r.records {
		two = append(two, report.Seen{Record: record, Events: runs[i], Given: givenIn(record.Run.ResumeCommand)})
	}
	if ofOne && two[1].Run.StartedAt.Before(two[0].Run.StartedAt.Time) {
		slices.Reverse(two)
	}
	return report.Compare(two[0], two[1]), nil
}

// drawing is what the runs did over time, for Markdown; empty where that cannot be read.
func (r reported) drawing() string {
	if r.runs == nil {
		return ""
	}
	runs, err := r.runs()
	if err != nil {
		return ""
	}
	var all []sketch.Run
	for i, run := range runs {
		all = append(all, sketch.Run{Name: r.records[i].Dir, Run: run})
	}
	return sketch.Markdown(all)
}

// compared is what is told of the comparison; empty where there is none.
func (r reported) compared(tell func(report.Comparison) string) (string, error) {
	c, err := r.comparison()
	if c == nil {
		return "", err
	}
	return tell(*c), nil
}

func writeReportText(r reported, w io.Writer) error {
	compared, err := r.compared(report.Comparison.Text)
	return errors.Join(err, writeText(w, r.Text()+compared))
}

func writeReportMarkdown(r reported, w io.Writer) error {
	compared, err := r.compared(report.Comparison.Markdown)
	return errors.Join(err, writeText(w, r.Markdown(r.drawing())+compared))
}

func writeReportJSON(r reported, w io.Writer) error {
	c, err := r.comparison()
	return errors.Join(err, writeJSON(w, struct {
		report.Report
		Comparison *report.Comparison `json:"comparison,omitempty"`
	}{r.Report, c}))
}

func writeReportCSV(r reported, w io.Writer) error {
	text, err := r.CSV()
	return errors.Join(err, writeText(w, text))
}

func writeReportTrace(r reported, w io.Writer) error {
	var dirs []string
	for _, record := range r.records {
		dirs = append(dirs, record.Dir)
	}
	_, err := writeTrace(dirs, w)
	return err
}

func writeReportJUnit(r reported, w io.Writer) error {
	data, err := r.JUnit()
	return errors.Join(err, writeText(w, string(data)))
}
