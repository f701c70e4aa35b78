package check

import (
	"fmt"
	"html"
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
		what := cell(f.Text)
		if f.Hint != "" {
			what += "<br>" + cell(f.Hint)
		}
		jobs := ""
		if len(f.Jobs) > 0 {
			jobs = cell(r.jobsOf(f))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", words[f.Severity], what, cell(placesOf(f)), jobs)
	}
	if more > 0 {
		fmt.Fprintf(&b, "\n%s\n", cell(tooMany(more)))
	}
	return b.String()
}

// notMarkup are the runes that Markdown takes for markup, escaped.
var notMarkup = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "~", `\~`)

// cell is text in a table, which nothing in it is markup of.
func cell(text string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		lines = append(lines, notMarkup.Replace(html.EscapeString(visible.Line(line))))
	}
	return strings.Join(lines, "<br>")
}
