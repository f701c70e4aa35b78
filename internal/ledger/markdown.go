package ledger

import (
	"fmt"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/bytesize"
)

// Markdown renders the summary for summary.md and for GitHub's job summaries.
func (s Summary) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Stoker: %s\n\n", s.headline())
	b.WriteString("| | |\n| --- | ---: |\n")
	row := func(name, value string) { fmt.Fprintf(&b, "| %s | %s |\n", name, value) }
	_, built, skipped := s.Own()
	row("Built", fmt.Sprint(built))
	row("Skipped", fmt.Sprint(skipped))
	if s.Kept() > 0 {
		row("Kept from before", fmt.Sprint(s.Kept()))
	}
	row("Failed", fmt.Sprint(s.Failed))
	row("Retried", fmt.Sprint(s.Retried))
	if s.Unfinished > 0 {
		row("Unfinished", fmt.Sprint(s.Unfinished))
	}
	row("Wall clock", duration(s.WallClockSeconds))
	row("Sum of all jobs", duration(s.CumulativeSeconds))
	if s.Built > 0 {
		row("Mean of built", duration(s.AverageSeconds))
		row("Median of built", duration(s.MedianSeconds))
		row("Slowest", duration(s.MaxSeconds))
	}
	if built > 0 {
		row("Images per hour", fmt.Sprintf("%.0f", s.ImagesPerHour))
	}
	if p, c := s.Prune, s.Cache; p != nil && c != nil {
		row("Reclaimed in "+plural(p.Sweeps, "sweep"), fmt.Sprintf("%s of %s dead", size(p.ReclaimedBytes), size(p.DeadBytes)))
		row("Cache at start, peak, end", fmt.Sprintf("%s, %s, %s", size(c.StartBytes), size(c.PeakBytes), size(c.EndBytes)))
	}
	if sp := s.Space; sp != nil {
		row("Peak of "+sp.Bound, sp.Text())
	}
	s.writeSlowest(&b)
	s.writeUnswept(&b)
	s.writeGoOn(&b)
	s.writeFailures(&b)
	return b.String()
}

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
	case s.StopReason != "":
		return done + ", stopped: " + oneLine(s.StopReason)
	case s.Failed > 0:
		return fmt.Sprintf("%s, %d failed", done, s.Failed)
	}
	return done
}

func (s Summary) writeSlowest(b *strings.Builder) {
	if len(s.Slowest) == 0 {
		return
	}
	b.WriteString("\n### Slowest\n\n| image | time | attempts |\n| --- | ---: | ---: |\n")
	for _, j := range s.Slowest {
		fmt.Fprintf(b, "| `%s` | %s | %d |\n", j.Name, duration(j.DurationSeconds), j.AttemptCount)
	}
}

func (s Summary) writeFailures(b *strings.Builder) {
	if len(s.FailedBuilds) == 0 {
		return
	}
	b.WriteString("\n### Failed\n")
	for _, j := range s.FailedBuilds {
		fmt.Fprintf(b, "\n#### `%s`\n\n%s (attempts: %d)\n", j.Name, oneLine(j.Error), j.AttemptCount)
		if j.LogPath != "" {
			fmt.Fprintf(b, "\nLog: `%s`\n", j.LogPath)
		}
		if len(j.LogTail) > 0 {
			fence := fenceFor(j.LogTail)
			fmt.Fprintf(b, "\n%stext\n%s\n%s\n", fence, strings.Join(j.LogTail, "\n"), fence)
		}
	}
}

// writeGoOn tells the command that goes on with the run.
func (s Summary) writeGoOn(b *strings.Builder) {
	if s.ResumeCommand == "" {
		return
	}
	fence := fenceFor([]string{s.ResumeCommand})
	fmt.Fprintf(b, "\n### To go on\n\nIn the same directory:\n\n%ssh\n%s\n%s\n", fence, s.ResumeCommand, fence)
}

// fenceFor returns a code fence that none of the lines can end.
func fenceFor(lines []string) string {
	fence := "```"
	for _, l := range lines {
		for strings.Contains(l, fence) {
			fence += "`"
		}
	}
	return fence
}

// writeUnswept tells of sweeps that failed and what they left.
func (s Summary) writeUnswept(b *strings.Builder) {
	if s.Prune == nil || len(s.Prune.Failures) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### Not swept\n\n%s of dead records are left.\n\n", size(s.Prune.LeftBytes))
	for _, f := range s.Prune.Failures {
		fmt.Fprintf(b, "- %s\n", oneLine(f))
	}
}

func size(bytes int64) string { return bytesize.Text(bytes) }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
