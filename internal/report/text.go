package report

import (
	"fmt"
	"strings"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// shownReasons is how many reasons of failures are told.
const shownReasons = 10

// Text is the report for people.
func (r Report) Text() string {
	var b strings.Builder
	line := linesOf(&b)
	if all := r.AllJobs(); all > r.Total {
		line("%d of %s: %s", r.Total, plural.Of(all, "job"), r.counts())
	} else {
		line("%s: %s", plural.Of(r.Total, "job"), r.counts())
	}
	line("  %s", r.times())
	if shares := r.Phases.Shares(); len(shares) > 0 {
		line("  of the jobs' time: %s", strings.Join(shares, ", "))
	}
	line("  %s", r.bytes())
	for _, note := range r.Remarks() {
		line("! %s", note)
	}
	line("runs")
	for _, run := range r.Runs {
		line("  %s", run)
		if run.State != Running && run.ResumeCommand != "" && run.Unfinished > 0 {
			line("    to go on: %s", run.ResumeCommand)
		}
	}
	r.writeFailures(line)
	for _, g := range r.Other {
		line("%s", g.Status)
		line("  %s: %s", plural.Of(len(g.Jobs), "job"), some(g.Jobs))
	}
	if len(r.Open) > 0 {
		line("unfinished")
		line("  %s: %s", plural.Of(len(r.Open), "job"), some(r.openNames()))
	}
	if len(r.Slowest) > 0 {
		line("slowest")
		for _, j := range r.Slowest {
			line("  %8s  %s", timespan.OfSeconds(j.DurationSeconds), j.Named())
		}
	}
	return b.String()
}

// linesOf writes lines to a text, of which each is made visible by itself.
func linesOf(b *strings.Builder) func(format string, args ...any) {
	return func(format string, args ...any) {
		b.WriteString(strings.TrimRight(visible.Text(fmt.Sprintf(format, args...)), " ") + "\n")
	}
}

func (r Report) writeFailures(line func(string, ...any)) {
	if r.Failed == 0 {
		return
	}
	line("failed")
	writeGroups(line, r.FailureGroups)
}

// writeGroups tells of failures by their reasons.
func writeGroups(line func(string, ...any), groups []ledger.FailureGroup) {
	for _, g := range groups[:min(len(groups), shownReasons)] {
		line("  %s: %s", plural.Of(g.Jobs, "job"), g.Common().Reason())
		line("    %s", strings.Join(g.Names(visible.Line), ", "))
		if g.LogPath != "" {
			line("    %s", g.LogPath)
		}
	}
	if more := len(groups) - shownReasons; more > 0 {
		line("  … and %s", plural.Of(more, "more reason"))
	}
}

// counts says how many jobs ended in which way.
func (r Report) counts() string {
	parts := []string{fmt.Sprintf("%d built", r.Built), fmt.Sprintf("%d skipped", r.Skipped), fmt.Sprintf("%d failed", r.Failed)}
	if text := r.FailedDependencies.String(); text != "" {
		parts = append(parts, text)
	}
	for _, g := range r.Other {
		parts = append(parts, fmt.Sprintf("%d %s", len(g.Jobs), g.Status))
	}
	if r.Unfinished > 0 {
		parts = append(parts, fmt.Sprintf("%d unfinished", r.Unfinished))
	}
	return strings.Join(parts, ", ")
}

// times says how long it took.
func (r Report) times() string {
	text := timespan.OfSeconds(r.WallClockSeconds) + " from the first start to the last end"
	switch {
	case len(r.Runs) == 1 && r.Runs[0].Resumed:
		text += fmt.Sprintf(", %s since it went on", timespan.OfSeconds(r.RunSeconds))
	case len(r.Runs) > 1:
		text += fmt.Sprintf(", %s in %s", timespan.OfSeconds(r.RunSeconds), plural.Of(len(r.Runs), "run"))
	}
	text += fmt.Sprintf(", %s in all jobs", timespan.OfSeconds(r.CumulativeSeconds))
	if r.ImagesPerHour > 0 {
		text += fmt.Sprintf(", %s images/h", rate(&r.ImagesPerHour))
	}
	return text
}

// bytes says what was pulled and reclaimed.
func (r Report) bytes() string {
	worked := r.Built+r.Failed+r.Unfinished > 0
	reclaimed := moved(r.ReclaimedBytes, worked)
	if r.Partial && r.ReclaimedBytes != nil {
		reclaimed = "at least " + reclaimed
	}
	return fmt.Sprintf("to pull by the forecasts: %s; pulled: %s; reclaimed: %s", moved(r.PullBytes, worked), moved(r.PulledBytes, worked), reclaimed)
}

// Remarks are what a reader should know of the totals.
func (r Report) Remarks() (notes []string) {
	for _, m := range r.Missing {
		notes = append(notes, m.String())
	}
	if n := len(r.Repeated); n > 0 {
		notes = append(notes, fmt.Sprintf("%s in several runs, and counted once, by the last end: %s", plural.Of(n, "job"), some(r.Repeated)))
	}
	for _, run := range r.Runs {
		for _, note := range run.Notes {
			notes = append(notes, run.Dir+": "+note)
		}
		switch run.State {
		case Running:
			notes = append(notes, run.Dir+" is running: what it does from now on is not told")
		case Killed, Unknown:
			notes = append(notes, run.Dir+" has left no word of its end: what it did is told as far as it is on record")
		}
	}
	return notes
}

func (r Report) openNames() (names []string) {
	for _, j := range r.Open {
		names = append(names, j.Name)
	}
	return names
}

// String is a run on one line.
func (r Run) String() string {
	name := r.Dir
	if r.Shard != "" {
		name += " (shard " + r.Shard + ")"
	}
	counts := []string{fmt.Sprintf("%d built", r.Built), fmt.Sprintf("%d skipped", r.Skipped), fmt.Sprintf("%d failed", r.Failed)}
	if r.SkippedDependency > 0 {
		counts = append(counts, fmt.Sprintf("%d skipped (built on failed jobs)", r.SkippedDependency))
	}
	if other := r.Other - r.SkippedDependency; other > 0 {
		counts = append(counts, fmt.Sprintf("%d other", other))
	}
	if r.Unfinished > 0 {
		counts = append(counts, fmt.Sprintf("%d unfinished", r.Unfinished))
	}
	text := fmt.Sprintf("%s: %s, %s of %s in %s", name, r.State, strings.Join(counts, ", "), plural.Of(r.Total, "job"), timespan.OfSeconds(r.Seconds))
	if kept := r.Kept.Jobs(); kept > 0 {
		text += fmt.Sprintf(", %d of them kept from before", kept)
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// why is the reason of a job that failed, or was skipped for one that did; empty where none is
// on record.
func (j Job) why() string {
	if j.Status == ledger.SkippedDependency && j.FailedDependency != "" {
		return j.Entry.Skipped()
	}
	if j.Status != ledger.Failed && j.Error == nil && j.Failure == nil {
		return ""
	}
	return j.Cause().String()
}

// rest says that what a run came to is of what an earlier one had left; empty where it is not.
func (r Run) rest() string {
	if r.Kept.Jobs() == 0 {
		return ""
	}
	return fmt.Sprintf("is the rest of an earlier run: %d of its %s had been finished before, and its times and rates are of the others", r.Kept.Jobs(), plural.Of(r.Total, "job"))
}

// unknown stands where a figure is not known.
const unknown = "unknown"

func amount(bytes *int64) string {
	if bytes == nil {
		return unknown
	}
	return bytesize.Text(*bytes)
}
