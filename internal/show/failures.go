package show

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// failure is a job that failed for good, or several for the same cause: then it is
// the last of them.
type failure struct {
	name, reason string
	kind, file   string
	jobs         int
}

// noteFailure remembers a failed job; of one cause only the last.
func (s *State) noteFailure(name string, f ledger.Failure) {
	kind := f.Kind()
	if s.alike == nil {
		s.alike = map[string]int{}
	}
	s.alike[kind]++
	var others []failure
	for _, x := range s.failures {
		switch {
		case x.kind != kind:
			others = append(others, x)
		case x.file != f.File:
			f = f.WithoutDir()
		}
	}
	s.failures = lastOf(append(others, failure{name, reason(f.Reason()), kind, f.File, s.alike[kind]}), keptFailures)
}

// worthALine tells whether the nth of equal things is told of by itself: the first
// few, and then ever fewer.
func worthALine(n int) bool {
	for n > 5 && n%10 == 0 {
		n /= 10
	}
	return n <= 3 || n == 5
}

// failureText tells why a job failed and where to read on. n is how many have failed
// for the same cause: only of the first all is told.
func failureText(e ledger.Entry, n int) string {
	f := e.Cause()
	if n > 1 {
		return again(n, f)
	}
	text := reason(f.String()) + " (" + effort(e.AttemptCount, e.DurationSeconds)
	if log := visible.Line(deref(e.LogPath)); log != "" {
		text += ", " + log
	}
	return text + ")"
}

// again tells of the nth failure for one cause.
func again(n int, f ledger.Failure) string {
	return fmt.Sprintf("again, %d so far: %s", n, reason(f.Reason()))
}

// outputLines are what a step printed last, where that is more than the reason.
func outputLines(f ledger.Failure, most int) []string {
	if len(f.Output) == 0 || len(f.Output) == 1 && strings.TrimSpace(f.Output[0]) == f.Message {
		return nil
	}
	var lines []string
	for _, l := range lastOf(f.Output, most) {
		lines = append(lines, "| "+visible.Line(l))
	}
	return lines
}

func retryText(e journal.AttemptFailed, n int) string {
	why := reason(e.Error)
	if e.Failure != nil && n > 1 {
		why = again(n, *e.Failure)
	}
	next := "in " + whole(ofSeconds(e.Delay))
	if e.Delay < 1 {
		next = "at once"
	}
	return fmt.Sprintf("attempt %d failed: %s; next %s", e.Attempt, why, next)
}

const (
	// How many causes of failures the closing summary names; summary.json has them all.
	finalGroups = 8
	// How many lines of output it shows of each, while it shows few.
	finalOutput = 5
	fewGroups   = 3
	// How many lines a reason may take.
	reasonLines = 3
)

// failures are the causes of failures, those of most jobs first.
func (f finalText) failures() []string {
	if len(f.FailureGroups) == 0 {
		return nil
	}
	lines := []string{f.bold(f.bad("failed"))}
	for _, g := range f.FailureGroups[:min(len(f.FailureGroups), finalGroups)] {
		lines = append(lines, f.group(g)...)
	}
	if more := len(f.FailureGroups) - finalGroups; more > 0 {
		lines = append(lines, fmt.Sprintf("  … and for %s, in summary.json", plural.Of(more, "more reason")))
	}
	return lines
}

// group is one cause: whom it concerns and why, the step, its output, where to read on.
func (f finalText) group(g ledger.FailureGroup) []string {
	why := g.Failure
	lines := f.headed(f.heading(g), reason(g.Common().Reason()))
	if why.Step != "" {
		lines = append(lines, "    "+f.step(why))
	}
	if len(f.FailureGroups) <= fewGroups {
		for _, l := range outputLines(why, finalOutput) {
			lines = append(lines, "    "+f.dim(f.squeeze(l, 4)))
		}
	}
	if g.Jobs > 1 {
		lines = append(lines, f.indented("    ", g.Names(visible.Line))...)
	}
	if g.LogPath != "" {
		lines = append(lines, "    "+f.dim(visible.Line(g.LogPath)))
	}
	return lines
}

// heading says whom a cause concerns.
func (f finalText) heading(g ledger.FailureGroup) string {
	if g.Jobs > 1 {
		return "  " + plural.Of(g.Jobs, "image")
	}
	return "  " + f.name(g.Examples[0], 2)
}

// headed puts a text behind its heading, or below it where the line has no room.
func (f finalText) headed(head, text string) []string {
	if line := head + ": " + text; f.width <= 0 || ansi.StringWidth(line) <= f.width {
		return []string{line}
	}
	return append([]string{head}, f.wrapped("    ", text)...)
}

// wrapped breaks a text into a few lines; what does not fit is left out of the middle.
func (f finalText) wrapped(indent, text string) []string {
	if f.width <= 0 {
		return []string{indent + text}
	}
	room := max(f.width-len(indent), 1)
	lines := strings.Split(ansi.Wrap(text, room, ""), "\n")
	if len(lines) > reasonLines {
		lines = strings.Split(ansi.Wrap(shorten(text, room*reasonLines*4/5), room, ""), "\n")
	}
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return lines
}

// step is the step that failed with its exit code, on one line.
func (f finalText) step(why ledger.Failure) string {
	code := ""
	if why.ExitCode != 0 && why.Message != "" { // else it is the reason
		code = fmt.Sprintf(" (exit code: %d)", why.ExitCode)
	}
	return f.squeeze(visible.Line(why.Step), 4+len(code)) + code
}

// indented puts parts on as few lines as there is room for.
func (f finalText) indented(indent string, parts []string) []string {
	f.width = max(f.width-len(indent), 0)
	lines := f.flow(parts)
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return lines
}
