package report

import (
	"fmt"
	"strings"

	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// Markdown is the report for a page, such as GitHub's of a job: what summary.md has of
// one run, and then the runs. The drawing is of what they did over time; empty for none.
func (r Report) Markdown(drawing string) string {
	var b strings.Builder
	summary := r.Summary
	summary.Total = r.AllJobs()
	b.WriteString(summary.Markdown(false, drawing))
	if notes := r.Remarks(); len(notes) > 0 {
		b.WriteString("\n### To know\n\n")
		for _, note := range notes {
			fmt.Fprintf(&b, "- %s\n", visible.Markdown(note))
		}
	}
	b.WriteString("\n### Runs\n\n| run | shard | state | jobs | built | skipped | failed | skipped: built on failed jobs | other | unfinished | wall clock |\n" +
		"| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, run := range r.Runs {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %d | %d | %d | %d | %s |\n", visible.Markdown(run.Dir), run.Shard, run.State,
			run.Total, run.Built, run.Skipped, run.Failed, run.SkippedDependency, run.Other-run.SkippedDependency, run.Unfinished, timespan.OfSeconds(run.Seconds))
	}
	fmt.Fprintf(&b, "\n%s. %s.\n", visible.Markdown(r.times()), capital(visible.Markdown(r.bytes())))
	for _, g := range r.Other {
		fmt.Fprintf(&b, "\n### %s\n\n%s: %s\n", visible.Markdown(string(g.Status)), plural.Of(len(g.Jobs), "job"), visible.Markdown(some(g.Jobs)))
	}
	if len(r.Open) > 0 {
		fmt.Fprintf(&b, "\n### Unfinished\n\n%s: %s\n", plural.Of(len(r.Open), "job"), visible.Markdown(some(r.openNames())))
	}
	return b.String()
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
