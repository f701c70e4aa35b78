package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
)

// reported is what is reported, and the records that it is made of.
type reported struct {
	report.Report
	// Comparison is nil but for two runs with jobs in common.
	Comparison *report.Comparison `json:"comparison,omitempty"`
	records    []ledger.Record
	// seen are the records with their events, where these have been read: of two.
	seen []report.Seen
}

// newReported merges records, and compares two of them. Those of one directory are in no
// order that anybody has chosen: A is then the one that began first.
func newReported(records []ledger.Record, ofOne bool) (*reported, error) {
	r := &reported{Report: report.Merge(records), records: records}
	if len(records) != 2 {
		return r, nil
	}
	var err error
	if r.seen, err = seenOf(records); err != nil {
		return nil, err
	}
	two := slices.Clone(r.seen)
	for i := range two {
		two[i].Given = givenIn(two[i].Run.ResumeCommand)
	}
	if ofOne && two[1].Run.StartedAt.Before(two[0].Run.StartedAt.Time) {
		slices.Reverse(two)
	}
	r.Comparison = report.Compare(two[0], two[1])
	return r, nil
}

// seenOf reads what records leave to their events.
func seenOf(records []ledger.Record) (all []report.Seen, err error) {
	for _, record := range records {
		run, err := timelineOf(record.Dir)
		if err != nil {
			return nil, fmt.Errorf("the events of %s cannot be read: %w", record.Dir, err)
		}
		all = append(all, report.Seen{Record: record, Events: run})
	}
	return all, nil
}

func writeReportText(r *reported, w io.Writer) error {
	text := r.Text()
	if r.Comparison != nil {
		text += r.Comparison.Text()
	}
	return writeText(w, text)
}

func writeReportMarkdown(r *reported, w io.Writer) error {
	text := r.Markdown()
	if r.Comparison != nil {
		text += r.Comparison.Markdown()
	}
	return writeText(w, text)
}

func writeReportJSON(r *reported, w io.Writer) error { return writeJSON(w, r) }

// runHistory tells of each run by itself.
func runHistory(dirs []string, o reportOptions, format reportFormat, streams Streams) error {
	switch {
	case format.history == nil:
		return &flagError{fmt.Errorf("--history is told as text, json, markdown, csv or html, not as %s", format.name)}
	case o.refs != "":
		return &flagError{errors.New("--history tells of runs, and " + refsFlag + " of their images: give one of them")}
	}
	records, err := recordsIn(dirs, true)
	if err != nil {
		return err
	}
	var seen []report.Seen
	for _, record := range records {
		one := report.Seen{Record: record}
		if record.Summary == nil { // its events alone tell what it has come to
			if one.Events, err = timelineOf(record.Dir); err != nil {
				return fmt.Errorf("the events of %s cannot be read: %w", record.Dir, err)
			}
		}
		seen = append(seen, one)
	}
	if err := format.history(report.HistoryOf(seen), streams.Out); err != nil {
		return &runError{err}
	}
	return nil
}
