package explain

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// How many reasons are told of a line.
	mostReasons = 3
	// How many columns of a step's text are told.
	mostText = 90
)

// Text tells people of lines.
func Text(lines []Line) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ran\tcached\ttime\tbytes\tstep")
	for _, l := range lines {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s:%d  %s\n", l.Ran, l.Cached, timespan.OfSeconds(l.Seconds), l.size(), visible.Line(l.File), l.Line, l.text())
		for i, r := range l.Reasons {
			if i == mostReasons {
				fmt.Fprintf(w, "\t\t\t\t  and for %s more\n", plural.Of(len(l.Reasons)-i, "reason"))
				break
			}
			fmt.Fprintf(w, "\t\t\t\t  %s, %s: %s\n", plural.Of(r.Steps, "step"), timespan.OfSeconds(r.Seconds), visible.Line(r.Told(l.File)))
		}
	}
	_ = w.Flush() // a strings.Builder never fails
	return b.String()
}

// text is the line as the Dockerfile has it, and what was made of it.
func (l Line) text() string {
	text := visible.Cut(l.Text, mostText)
	switch {
	case l.LinkedAs == "":
		return text
	case strings.HasPrefix(l.LinkedAs, laid):
		return text + " (linked: laid upon its base image)"
	}
	return text + " (linked)"
}

// size is what a line's results take, as far as it is known.
func (l Line) size() string {
	switch {
	case l.Bytes == nil && l.Ran == 0:
		return "-"
	case l.Bytes == nil:
		return "not known"
	case l.SizesMissing > 0:
		return "over " + bytesize.Text(*l.Bytes)
	}
	return bytesize.Text(*l.Bytes)
}

// Headline says in a line what came of all steps.
func Headline(steps []ledger.Step) string {
	s := ledger.SumSteps(steps)
	if s == nil {
		return "no step is on record: it was not known what the jobs do"
	}
	return fmt.Sprintf("%s, run %s in %s, found in the cache %s", plural.Of(s.Distinct, "distinct step"), plural.Of(s.Ran, "time"), timespan.OfSeconds(s.Seconds), plural.Of(s.Cached, "time"))
}
