package check

import (
	"fmt"
	"strings"

	"github.com/stoker-build/stoker/internal/visible"
)

// Markdown returns the report for a page: a row for each finding.
func (r *Report) Markdown(rewrite func(string) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Stoker %s\n", r.Headline())
	findings, more := first(r.Findings(rewrite))
	if len(findings) > 0 {
		b.WriteString("\n| | what | where | jobs |\n| --- | --- | --- | --- |\n")
	}
	for _, f := range findings {
		what := visible.Markdown(f.Text)
		if f.Hint != "" {
			what += "<br>" + visible.Markdown(f.Hint)
		}
		if f.Cost != nil {
			what += "<br>" + visible.Markdown(f.Cost.Text)
		}
		jobs := ""
		if len(f.Jobs) > 0 {
			jobs = visible.Markdown(r.jobsOf(f))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", words[f.Severity], what, visible.Markdown(placesOf(f)), jobs)
	}
	if more > 0 {
		fmt.Fprintf(&b, "\n%s\n", visible.Markdown(tooMany(more)))
	}
	return b.String()
}
