package ledger

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// Markdown renders the summary for summary.md, with links to the logs, and for
// GitHub's job summaries, from where no link leads to them. The drawing is a part of
// its own, of what was done over time; empty for none.
func (s Summary) Markdown(links bool, drawing string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Stoker: %s\n\n", s.headline())
	if s.StopReason != "" && !s.Interrupted {
		fmt.Fprintf(&b, "The run was stopped: %s\n\n", oneLine(s.StopReason))
	}
	if text := s.TagsExist(); text != "" {
		fmt.Fprintf(&b, "%s\n\n", strings.NewReplacer("--force", "`--force`", "{{.GraphHash}}", "`{{.GraphHash}}`").Replace(text))
	}
	if text := s.PushedBefore(); text != "" {
		fmt.Fprintf(&b, "%s\n\n", text)
	}
	b.WriteString("| | |\n| --- | ---: |\n")
	row := func(name, value string) { fmt.Fprintf(&b, "| %s | %s |\n", name, value) }
	_, built, skipped := s.Own()
	row("Built", fmt.Sprint(built))
	if s.Assembled > 0 {
		row("Of these, assembled in the registry", fmt.Sprint(s.Assembled))
	}
	row("Skipped", fmt.Sprint(skipped))
	if s.Kept() > 0 {
		row("Kept from before", fmt.Sprint(s.Kept()))
	}
	row("Failed", fmt.Sprint(s.Failed))
	if s.SkippedDependency > 0 {
		row("Skipped, built on failed ones", fmt.Sprint(s.SkippedDependency))
	}
	row("Retried", fmt.Sprint(s.Retried))
	if s.Unfinished > 0 {
		row("Unfinished", fmt.Sprint(s.Unfinished))
	}
	row("Wall clock", timespan.OfSeconds(s.WallClockSeconds))
	row("Sum of all jobs", timespan.OfSeconds(s.CumulativeSeconds))
	if shares := s.Phases.Shares(); len(shares) > 0 {
		row("Of that", strings.Join(shares, ", "))
	}
	if text := s.Compressing.String(); text != "" {
		row("Compression", text)
	}
	if built > 0 {
		row("Mean of built", timespan.OfSeconds(s.AverageSeconds))
		row("Median of built", timespan.OfSeconds(s.MedianSeconds))
		row("Slowest", timespan.OfSeconds(s.MaxSeconds))
	}
	if s.ImagesPerHour > 0 {
		row("Images per hour", fmt.Sprintf("%.0f", s.ImagesPerHour))
	}
	if s.PulledBytes != nil {
		row("Pulled", size(*s.PulledBytes))
	}
	if p := s.Prune; p != nil {
		row("Reclaimed in "+p.Removing(), fmt.Sprintf("%s of %s dead", size(p.ReclaimedBytes), size(p.DeadBytes)))
		row("Cache at start, peak, end", s.Cache.text())
	}
	if sp := s.Space; s.SpaceWasTight() {
		row("Peak of "+oneLine(sp.Bound), sp.Text())
	}
	b.WriteString(drawing)
	s.writeSlowest(&b)
	s.writeAgain(&b)
	s.writeUnswept(&b)
	s.writeGoOn(&b)
	s.writeFailures(&b, links)
	s.writeDependants(&b)
	return b.String()
}

// text tells how large the cache was at the start, at most and at the end.
func (c *Cache) text() string {
	if c == nil {
		return unknown
	}
	end := unknown
	if c.EndBytes != nil {
		end = size(*c.EndBytes)
	}
	return fmt.Sprintf("%s, %s, %s", size(c.StartBytes), size(c.PeakBytes), end)
}

// unknown stands where a figure is not known.
const unknown = "unknown"

// Text tells the most that was used, and of what that was part.
func (s Space) Text() string {
	text := size(s.PeakBytes)
	if s.OtherBytes > 0 {
		text += fmt.Sprintf(", %s of it not the cache", size(s.OtherBytes))
	}
	if s.ForecastPeakBytes > 0 {
		text += ", forecast " + size(s.ForecastPeakBytes)
	}
	return text + ", limit " + size(s.HighBytes)
}

func (s Summary) headline() string {
	done := fmt.Sprintf("%d of %d images", s.Built+s.Skipped, s.Total)
	switch {
	case s.Interrupted:
		return done + ", interrupted"
	case s.SkippedDependency > 0:
		done += fmt.Sprintf(", %d failed, %d built on failed ones", s.Failed, s.SkippedDependency)
	case s.Failed > 0 || s.StopReason != "":
		done += fmt.Sprintf(", %d failed", s.Failed)
	}
	if s.StopReason != "" {
		done += ", stopped"
	}
	return done
}

// writeDependants tells of the jobs that were skipped since others have failed.
func (s Summary) writeDependants(b *strings.Builder) {
	if len(s.FailedDependencies) == 0 {
		return
	}
	b.WriteString("\n### Skipped\n\nNot built, since what they are built on has failed:\n\n")
	for _, f := range s.FailedDependencies[:min(len(s.FailedDependencies), groupsShown)] {
		var names []string
		for _, name := range f.Examples {
			names = append(names, code(name))
		}
		if more := f.Jobs - len(names); more > 0 {
			names = append(names, fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(b, "- on %s: %s\n", code(f.Name), strings.Join(names, ", "))
	}
	if more := len(s.FailedDependencies) - groupsShown; more > 0 {
		fmt.Fprintf(b, "- and on %d more, in `%s`\n", more, SummaryFile)
	}
}

func (s Summary) writeSlowest(b *strings.Builder) {
	if len(s.Slowest) == 0 {
		return
	}
	b.WriteString("\n### Slowest\n\n| image | time | attempts |\n| --- | ---: | ---: |\n")
	for _, j := range s.Slowest {
		fmt.Fprintf(b, "| %s | %s | %d |\n", code(j.Named()), timespan.OfSeconds(j.DurationSeconds), j.AttemptCount)
	}
}

// largestMarkdown bounds summary.md, in bytes: GitHub takes 1 MiB from all steps of a
// job together, and nobody reads more.
const largestMarkdown = 60 << 10

// groupsShown is how many groups of failures are shown with their output, and
// namesShown of how many failed jobs the logs are linked to.
const (
	groupsShown = 20
	namesShown  = 100
)

// writeFailures tells of each cause of failures, and links to the logs, for as long
// as there is room.
func (s Summary) writeFailures(b *strings.Builder, links bool) {
	if len(s.FailedBuilds) == 0 {
		return
	}
	b.WriteString("\n### Failed\n")
	shown := 0
	for _, g := range s.FailureGroups[:min(len(s.FailureGroups), groupsShown)] {
		text := s.group(g)
		if b.Len()+len(text) > largestMarkdown*3/4 {
			break
		}
		b.WriteString(text)
		shown++
	}
	if more := len(s.FailureGroups) - shown; more > 0 {
		fmt.Fprintf(b, "\n… and %s, in `%s`.\n", plural.Of(more, "more reason"), SummaryFile)
	}
	s.writeLogs(b, links)
}

// group tells of one cause of failures.
func (s Summary) group(g FailureGroup) string {
	var b strings.Builder
	f := g.Failure
	fmt.Fprintf(&b, "\n#### %s: %s\n\n", plural.Of(g.Jobs, "image"), code(g.Common().Reason()))
	if f.Step != "" {
		fmt.Fprintf(&b, "%s in %s", code(f.Step), code(cmp.Or(f.Place(), "the Dockerfile")))
		if g.SeveralFiles {
			b.WriteString(" and others")
		}
		if f.ExitCode != 0 {
			fmt.Fprintf(&b, " exited with code %d", f.ExitCode)
		}
		b.WriteString(".\n\n")
	}
	b.WriteString(strings.Join(g.Names(code), ", ") + "\n")
	if lines := s.lastLines(g); len(lines) > 0 {
		b.WriteString("\n" + fenced("text", strings.Join(lines, "\n")))
	}
	return b.String()
}

// lastLines is what the step of a group's first job printed last, or where no step
// failed what its log ends with.
func (s Summary) lastLines(g FailureGroup) []string {
	if g.Failure.Step != "" {
		return g.Failure.Output
	}
	for _, j := range s.FailedBuilds {
		if j.Name == g.Examples[0] {
			return j.LogTail
		}
	}
	return nil
}

// writeLogs tells where the logs of failed jobs are.
func (s Summary) writeLogs(b *strings.Builder, links bool) {
	b.WriteString("\n<details><summary>Logs</summary>\n\n")
	shown := 0
	for _, j := range s.FailedBuilds[:min(len(s.FailedBuilds), namesShown)] {
		line := "- " + j.log(links) + ", " + plural.Of(j.AttemptCount, "attempt") + "\n"
		if b.Len()+len(line) > largestMarkdown {
			break
		}
		b.WriteString(line)
		shown++
	}
	if more := len(s.FailedBuilds) - shown; more > 0 {
		fmt.Fprintf(b, "- and %d more, in `%s`\n", more, ManifestFile)
	}
	b.WriteString("\n</details>\n")
}

// log tells where a failed job's log is, from where summary.md is.
func (j FailedJob) log(link bool) string {
	switch {
	case j.LogPath == "":
		return code(j.Name)
	case !link:
		return code(j.Name) + ": " + code(j.LogPath)
	}
	return fmt.Sprintf("[%s](%s)", code(j.Name), oneLine(path.Join(LogsDir, j.Name, filepath.Base(j.LogPath))))
}

// code is text as it is, on one line.
func code(text string) string {
	text = oneLine(text)
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + text + fence
}

// writeGoOn tells the command that goes on with the run.
func (s Summary) writeGoOn(b *strings.Builder) {
	if s.ResumeCommand == "" {
		return
	}
	b.WriteString("\n### To go on\n\nIn the same directory:\n\n" + fenced("sh", s.ResumeCommand))
}

// fenced is a block of text in a language, with a fence that nothing in it can end.
func fenced(language, text string) string {
	text = visible.Lines(text)
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fmt.Sprintf("%s%s\n%s\n%s\n", fence, language, text, fence)
}

// unsweptShown is of how many failed sweeps it is said why.
const unsweptShown = 20

// writeUnswept tells of sweeps that failed and what they left.
func (s Summary) writeUnswept(b *strings.Builder) {
	if s.Prune == nil || len(s.Prune.Failures) == 0 {
		return
	}
	left := "How much of dead records is left is unknown."
	if l := s.Prune.Left; l != nil {
		left = size(l.LeftBytes) + " of dead records are left."
	}
	fmt.Fprintf(b, "\n### Not swept\n\n%s\n\n", left)
	for _, f := range s.Prune.Failures[:min(len(s.Prune.Failures), unsweptShown)] {
		fmt.Fprintf(b, "- %s\n", oneLine(f))
	}
}

func size(bytes int64) string { return bytesize.Text(bytes) }

func oneLine(s string) string { return strings.Join(strings.Fields(visible.Line(s)), " ") }
