package annotate

import (
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// How much of a step a title has room for, and of a reason a text, in runes.
	longestStep   = 80
	longestReason = 500
	// shownOutput is how many lines of a step's output are shown.
	shownOutput = 5
)

// Failures are the causes of failures, each beside the line of the Dockerfile that failed.
func Failures(groups []ledger.FailureGroup) (all []Annotation) {
	for _, g := range groups {
		f := g.Failure
		a := Annotation{Level: "error", Title: plural.Of(g.Jobs, "image") + " failed", File: f.File, Line: f.Line}
		if f.Step != "" {
			a.Title += ": " + visible.Head(f.Step, longestStep)
		}
		lines := []string{visible.Head(g.Common().String(), longestReason), strings.Join(g.Names(visible.Line), ", ")}
		if len(f.Output) != 1 || strings.TrimSpace(f.Output[0]) != f.Message { // else that is the reason
			for _, line := range f.Output[max(len(f.Output)-shownOutput, 0):] {
				lines = append(lines, "| "+visible.Line(line))
			}
		}
		a.Text = strings.Join(lines, "\n")
		all = append(all, a)
	}
	return all
}

// Unfinished warns of images that were not built, and says why.
func Unfinished(images int, why string) Annotation {
	if why == "" {
		why = "The run goes on, or was killed."
	}
	return Annotation{Level: "warning", Title: plural.Of(images, "image") + " unfinished", Text: visible.Head(why, longestReason)}
}
