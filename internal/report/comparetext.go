package report

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// lineWidth is how wide a text for people is, where what it names leaves the choice.
const lineWidth = 80

// Text is the comparison for people, to follow the report.
func (c Comparison) Text() string {
	var b strings.Builder
	line := linesOf(&b)
	line("comparison: %s", c.Common())
	line("  A  %s", c.A.Dir)
	line("  B  %s", c.B.Dir)
	for _, note := range c.Remarks() {
		line("! %s", note)
	}
	b.WriteString(table(c.Rows()))
	if peaks := c.Peaks(); peaks != "" {
		line("  %s", peaks)
	}
	if len(c.Options) > 0 {
		line("options that differ")
	}
	for _, o := range c.Options {
		if text := fmt.Sprintf("  %-14s  A %s, B %s", o.Name, o.TextA(), o.TextB()); len(text) <= lineWidth {
			line("%s", text)
			continue
		}
		line("  %s", o.Name)
		line("    A  %s", o.TextA())
		line("    B  %s", o.TextB())
	}
	if rows := c.PhaseRows(); len(rows) > 0 {
		line("time of an image, on average")
		b.WriteString(table(rows))
	}
	line("%s", c.Built.Counts())
	if c.Built.Jobs > 0 {
		line("  %s", c.Built.Times())
	}
	b.WriteString(changes(c.Built.Changed))
	writeFailedOnce(line, "A", c.FailedA)
	writeFailedOnce(line, "B", c.FailedB)
	return b.String()
}

// Common says how many jobs the runs have in common.
func (c Comparison) Common() string {
	text := plural.Of(c.InBoth, "job") + " in both runs"
	if c.OnlyA+c.OnlyB > 0 {
		text += fmt.Sprintf(", %d in A alone, %d in B alone", c.OnlyA, c.OnlyB)
	}
	return text
}

// Remarks tell which of the runs is the rest of an earlier one.
func (c Comparison) Remarks() (notes []string) {
	for _, one := range []struct{ name, rest string }{{"A", c.A.rest()}, {"B", c.B.rest()}} {
		if one.rest != "" {
			notes = append(notes, one.name+" "+one.rest)
		}
	}
	return notes
}

// Counts says how many jobs both have built, and how many of them changed in which way.
func (b BuiltInBoth) Counts() string {
	text := "built in both: " + plural.Of(b.Jobs, "job")
	if b.Jobs > 0 {
		text += fmt.Sprintf(", %d slower, %d faster, %d about the same", b.Slower, b.Faster, b.Same)
	}
	return text
}

// Times says what all of them took.
func (b BuiltInBoth) Times() string {
	text := fmt.Sprintf("%s → %s in all", timespan.OfSeconds(b.A), timespan.OfSeconds(b.B))
	if change := percent(&b.A, &b.B); change != "" {
		text += " (" + change + ")"
	}
	return text
}

// table lines up rows, numbers at their ends.
func table(rows []CompareRow) string {
	const names = 24 // as wide as the longest name
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range append([]CompareRow{{"", "A", "B", "change"}}, rows...) {
		fmt.Fprintf(t, "%-*s\t%s\t%s\t%s\t\n", names, r.Name, r.A, r.B, r.Change)
	}
	_ = t.Flush() // a strings.Builder never fails
	var lines strings.Builder
	for text := range strings.Lines(b.String()) {
		lines.WriteString(strings.TrimRight(text, " \n") + "\n")
	}
	return lines.String()
}

// changes lines up the jobs that changed most, names last, which may be long.
func changes(changed []Change) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 1, ' ', tabwriter.AlignRight)
	for _, c := range changed {
		fmt.Fprintf(t, " %s\t %s\t→ %s\t %s\t  %s\n", c.By(), timespan.OfSeconds(c.A), timespan.OfSeconds(c.B), c.Cause(), visible.Line(c.Name))
	}
	_ = t.Flush() // a strings.Builder never fails
	return b.String()
}

// writeFailedOnce tells of the jobs that failed in one of the runs alone.
func writeFailedOnce(line func(string, ...any), run string, failed []FailedOnce) {
	if len(failed) == 0 {
		return
	}
	line("failed in %s alone: %s%s", run, plural.Of(len(failed), "job"), unendedText(failed))
	writeGroups(line, FailureGroups(failed))
}

// FailureGroups are jobs that failed in one run, by their causes, with a few names each.
func FailureGroups(failed []FailedOnce) []ledger.FailureGroup {
	var jobs []ledger.FailedJob
	for _, f := range failed {
		jobs = append(jobs, f.FailedJob)
	}
	return groupsOf(jobs)
}

// unendedText says how many of the jobs have not ended in the other run.
func unendedText(failed []FailedOnce) string {
	n := 0
	for _, f := range failed {
		if f.Other == "" {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them unfinished in the other run", n)
}

// Markdown is the comparison for a page, to follow the report.
func (c Comparison) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### Comparison\n\n%s. A is %s, B is %s.\n\n", capital(c.Common()), visible.Markdown(c.A.Dir), visible.Markdown(c.B.Dir))
	for _, note := range c.Remarks() {
		fmt.Fprintf(&b, "%s.\n\n", visible.Markdown(note))
	}
	writeTable(&b, "", c.Rows())
	if peaks := c.Peaks(); peaks != "" {
		fmt.Fprintf(&b, "\n%s.\n", capital(visible.Markdown(peaks)))
	}
	if rows := c.PhaseRows(); len(rows) > 0 {
		b.WriteString("\n")
		writeTable(&b, "time of an image, on average", rows)
	}
	if len(c.Options) > 0 {
		b.WriteString("\n| option | A | B |\n| --- | --- | --- |\n")
	}
	for _, o := range c.Options {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", visible.Markdown(o.Name), visible.Markdown(o.TextA()), visible.Markdown(o.TextB()))
	}
	fmt.Fprintf(&b, "\n%s", capital(c.Built.Counts()))
	if c.Built.Jobs > 0 {
		b.WriteString("; " + c.Built.Times())
	}
	b.WriteString(".\n")
	if len(c.Built.Changed) > 0 {
		b.WriteString("\n| changed most | A | B | change | most of it |\n| --- | ---: | ---: | ---: | --- |\n")
	}
	for _, j := range c.Built.Changed {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", visible.Markdown(j.Name), timespan.OfSeconds(j.A), timespan.OfSeconds(j.B), j.By(), j.Cause())
	}
	writeOnce(&b, "A", c.FailedA)
	writeOnce(&b, "B", c.FailedB)
	return b.String()
}

func writeTable(b *strings.Builder, head string, rows []CompareRow) {
	fmt.Fprintf(b, "| %s | A | B | change |\n| --- | ---: | ---: | ---: |\n", head)
	for _, r := range rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.Name, r.A, r.B, r.Change)
	}
}

func writeOnce(b *strings.Builder, run string, failed []FailedOnce) {
	if len(failed) == 0 {
		return
	}
	fmt.Fprintf(b, "\nFailed in %s alone: %s%s\n\n", run, plural.Of(len(failed), "job"), unendedText(failed))
	groups := FailureGroups(failed)
	for _, g := range groups[:min(len(groups), shownReasons)] {
		fmt.Fprintf(b, "- %s: %s (%s)\n", plural.Of(g.Jobs, "job"), visible.Markdown(g.Common().Reason()), strings.Join(g.Names(visible.Markdown), ", "))
	}
	if more := len(groups) - shownReasons; more > 0 {
		fmt.Fprintf(b, "- … and %s\n", plural.Of(more, "more reason"))
	}
}
