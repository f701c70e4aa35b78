package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/page"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/show"
)

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
	seen, err := seenOf(records)
	if err != nil {
		return err
	}
	if err := format.history(report.HistoryOf(seen), streams.Out); err != nil {
		return &runError{err}
	}
	return nil
}

// seenOf are runs with their events, where these alone tell what they have come to. The error is
// of those whose events cannot be read.
func seenOf(records []ledger.Record) (all []report.Seen, err error) {
	all = report.OnRecord(records)
	for i, one := range all {
		if one.Summary == nil {
			events, unread := timelineOf(one.Dir)
			all[i].Events, err = events, errors.Join(err, unread)
		}
	}
	return all, err
}

func writeHistoryText(h report.History, w io.Writer) error {
	return writeText(w, h.Text(show.Width(w)))
}

func writeHistoryJSON(h report.History, w io.Writer) error { return writeJSON(w, h) }

func writeHistoryMarkdown(h report.History, w io.Writer) error { return writeText(w, h.Markdown()) }

func writeHistoryCSV(h report.History, w io.Writer) error {
	text, err := h.CSV()
	return errors.Join(err, writeText(w, text))
}

func writeHistoryPage(h report.History, w io.Writer) error {
	return page.WriteHistory(w, h, time.Now())
}
