package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/visible"
)

// FinalText is what stays on the screen when a run has ended: totals, pace,
// space, the slowest builds, the failures with their reasons, what the sweeps
// left, where the results are, and the command that goes on. No line but that
// command is wider than width; a width of 0 sets no limit. The text ends with a
// line break.
func FinalText(summary ledger.Summary, outputDir string, width int, color bool) string {
	f := finalText{summary, visible.Line(outputDir), width, palette{color}}
	return f.text(f.headline(), f.pace(), partsOf(f), f.space(), f.slowest(), againOf(f), f.failures(), f.unswept(), f.results()) + f.goOn()
}

type finalText struct {
	ledger.Summary
	outputDir string
	width     int
	palette
}

func (f finalText) text(parts ...[]string) string {
	var b strings.Builder
	for _, line := range slices.Concat(parts...) {
		b.WriteString(f.fit(line) + "\n")
	}
	return b.String()
}

func (f finalText) headline() []string {
	word := f.good("done")
	switch {
	case f.Interrupted || f.Unfinished > 0:
		word = f.warn("stopped")
	case f.Failed > 0:
		word = f.bad("done")
	}
	total, built, skipped := f.Own()
	outcome := fmt.Sprintf("%d of %s built in %s", built, plural.Of(total, "image"), short(ofSeconds(f.WallClockSeconds)))
	if total == 0 {
		outcome = "nothing was left to build"
	}
	parts := []string{f.bold(word) + ": " + outcome}
	if f.Kept() > 0 {
		parts = append(parts, f.info(keptText(f.Kept())))
	}
	if skipped > 0 {
		parts = append(parts, f.info(fmt.Sprintf("%d skipped", skipped)))
	}
	if f.Failed > 0 {
		parts = append(parts, f.bad(fmt.Sprintf("%d failed", f.Failed)))
	}
	if text := f.FailedDependencies.String(); text != "" {
		parts = append(parts, f.warn(text))
	}
	if f.Unfinished > 0 {
		parts = append(parts, f.warn(fmt.Sprintf("%d not finished", f.Unfinished)))
	}
	lines := f.flow(parts)
	if f.StopReason != "" {
		lines = append(lines, f.wrapped("  ", "reason: "+reason(f.StopReason))...)
	}
	for _, text := range []string{f.PushedBefore(), f.TagsExist()} {
		if text != "" {
			lines = append(lines, f.wrapped("  ", text)...)
		}
	}
	return lines
}

func (f finalText) pace() []string {
	if _, built, _ := f.Own(); built == 0 {
		return nil
	}
	parts := []string{
		"  " + perHour(f.ImagesPerHour),
		"median build " + short(ofSeconds(f.MedianSeconds)),
		"longest " + short(ofSeconds(f.MaxSeconds)),
	}
	if f.Assembled > 0 {
		parts = append(parts, fmt.Sprintf("%d assembled in the registry", f.Assembled))
	}
	if f.Retried > 0 {
		parts = append(parts, plural.Of(f.Retried, "job")+" retried")
	}
	lines := f.flow(parts)
	for _, why := range slices.Sorted(maps.Keys(f.NotAssembled)) {
		if n := f.NotAssembled[why]; n >= run.FewestAlike {
			text := fmt.Sprintf("%d made by the builder that only copy onto their base, not assembled in the registry: %s", n, visible.Line(why))
			lines = append(lines, f.wrapped("  ", text)...)
		}
	}
	if shares := f.Phases.Shares(); len(shares) > 0 {
		shares[0] = "  of the jobs' time: " + shares[0]
		lines = append(lines, f.flow(shares)...)
	}
	if text := f.Compressing.String(); text != "" {
		lines = append(lines, f.wrapped("  ", text)...)
	}
	return lines
}

// partsOf tells each node's part, where a run had several.
func partsOf(f finalText) (lines []string) {
	for _, n := range f.Nodes {
		built, losses := fmt.Sprintf("  %s built on ", plural.Of(n.Built, "image")), ""
		switch {
		case n.Lost:
			losses = f.warn(", not there at the end")
		case n.Losses > 0:
			losses = ", lost " + plural.Of(n.Losses, "time")
		}
		lines = append(lines, built+f.name(n.Name, ansi.StringWidth(built+losses))+losses)
	}
	return lines
}

func (f finalText) slowest() []string {
	if len(f.Slowest) < 2 {
		return nil
	}
	lines := []string{f.bold("slowest")}
	for _, job := range f.Slowest {
		took := padLeft(short(ofSeconds(job.DurationSeconds)), 6)
		attempts := ""
		if job.AttemptCount > 1 {
			attempts = " (" + plural.Of(job.AttemptCount, "attempt") + ")"
		}
		name := f.name(job.Name, len(took)+4+len(attempts))
		lines = append(lines, "  "+took+"  "+name+f.dim(attempts))
	}
	return lines
}

// againOf tells of steps that were run for a reason that people may not expect.
func againOf(f finalText) []string {
	if f.Steps == nil || len(f.Steps.Again) == 0 {
		return nil
	}
	lines := []string{f.bold("steps run again") + f.dim(" (stoker explain tells of all)")}
	for _, r := range f.Steps.Again {
		lines = append(lines, "  "+padLeft(short(ofSeconds(r.Took())), 6)+"  "+f.squeeze(visible.Line(r.String()), 10))
	}
	return lines
}

func (f finalText) results() []string {
	if f.outputDir == "" {
		return nil
	}
	return []string{"results in " + f.bold(f.outputDir)}
}

// goOn is the command that goes on with the run, as a whole: it is to be copied.
func (f finalText) goOn() string {
	if f.ResumeCommand == "" {
		return ""
	}
	what := "go on with"
	if f.Unfinished == 0 {
		what = "try the failed ones again with"
	}
	return f.bold(f.fit(what+":")) + "\n  " + visible.Command(f.ResumeCommand) + "\n"
}

// name and reason lose their middle rather than their end where indent leaves
// too little room for them.
func (f finalText) name(s string, indent int) string   { return f.squeeze(visible.Line(s), indent) }
func (f finalText) reason(s string, indent int) string { return f.squeeze(reason(s), indent) }

func (f finalText) squeeze(s string, indent int) string {
	if f.width <= 0 {
		return s
	}
	return shorten(s, max(f.width-indent, 1))
}

// flow joins parts with commas, which stay at the ends of full lines. What does
// not fit goes on below the beginning of the first part.
func (f finalText) flow(parts []string) []string {
	if f.width <= 0 {
		return []string{strings.Join(parts, ", ")}
	}
	first := strings.TrimLeft(parts[0], " ")
	indent := parts[0][:len(parts[0])-len(first)]
	parts[0] = first
	for i := range parts[:len(parts)-1] {
		parts[i] += ","
	}
	lines := flow(parts, " ", f.width-len(indent))
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return lines
}

func (f finalText) fit(line string) string {
	if f.width <= 0 || ansi.StringWidth(line) <= f.width {
		return line
	}
	return truncate(line, f.width)
}

// closing is the last text of a view: FinalText, or what is known of a run that
// has not told its end.
func (s *State) closing(width int, color bool) string {
	switch {
	case s.summary != nil:
		return FinalText(*s.summary, s.outputDir, width, color)
	case s.started.IsZero():
		return ""
	}
	unknown := ledger.Summary{
		Total: s.total, Built: s.built + s.kept, KeptBuilt: s.kept, Skipped: s.skipped, Failed: s.failed,
		SkippedDependency: s.dependants.Jobs(), FailedDependencies: s.dependants,
		Unfinished: s.total - s.done(), StopReason: s.stopping,
		WallClockSeconds: s.latest.Sub(s.started).Seconds(),
	}
	f := finalText{unknown, s.outputDir, width, palette{color}}
	return f.text(f.headline(), f.results())
}
