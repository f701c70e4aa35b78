package show

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// palette colours text, or leaves it alone.
type palette struct{ color bool }

func (p palette) good(s string) string {
	return p.paint(lipgloss.NewStyle().Foreground(lipgloss.Green), s)
}
func (p palette) info(s string) string {
	return p.paint(lipgloss.NewStyle().Foreground(lipgloss.Blue), s)
}
func (p palette) bad(s string) string {
	return p.paint(lipgloss.NewStyle().Foreground(lipgloss.Red), s)
}
func (p palette) warn(s string) string {
	return p.paint(lipgloss.NewStyle().Foreground(lipgloss.Yellow), s)
}
func (p palette) dim(s string) string  { return p.paint(lipgloss.NewStyle().Faint(true), s) }
func (p palette) bold(s string) string { return p.paint(lipgloss.NewStyle().Bold(true), s) }

func (p palette) paint(style lipgloss.Style, s string) string {
	if !p.color || s == "" {
		return s
	}
	return style.Render(s)
}

// clock is a duration as a stopwatch shows it: 1:02:03.
func clock(d time.Duration) string {
	s := int(max(d, 0).Seconds())
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// short is a time that something took; its tenths are told while they are much of it.
func short(d time.Duration) string {
	if d = max(d, 0).Round(time.Second / 10); d < 10*time.Second {
		return timespan.Text(d)
	}
	if d = d.Round(time.Second); d < time.Minute {
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	return timespan.Text(d)
}

// whole is short without tenths, for values that change while one looks: it counts what is over.
func whole(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%ds", int(max(d, 0).Seconds()))
	case d < time.Hour:
		return short(d.Truncate(time.Second))
	}
	return short(d.Truncate(time.Minute))
}

func ofSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func perHour(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f images/h", rate)
	}
	return fmt.Sprintf("%.0f images/h", rate)
}

// size is a number of bytes as the whole of Stoker writes it: 1.2GB.
func size(bytes int64) string { return bytesize.Text(bytes) }

// totals is the outcome of jobs: 3 built, 1 skipped, 0 failed.
func totals(built, skipped, failed int) string {
	return fmt.Sprintf("%d built, %d skipped, %d failed", built, skipped, failed)
}

// dependantsText tells how many jobs were skipped since what they are built on has
// failed; empty for none.
func dependantsText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d skipped that are built on failed ones", n)
}

// keptText tells how many jobs an earlier run has finished; empty for none.
func keptText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d kept from before", n)
}

// shortDigest is enough of a digest to tell images apart.
func shortDigest(digest string) string { return imageref.ShortDigest(visible.Line(digest)) }

// tagged is a reference at the end of a step to which BuildKit has added the
// digest, which a line of the live view has no room for.
var tagged = regexp.MustCompile(`(:[\w.-]+)@sha256:[0-9a-f]{64}$`)

// stepText is a step in few words. What is of no line of the Dockerfile has
// [internal] before it, which tells a person nothing.
func stepText(step string) string {
	return tagged.ReplaceAllString(strings.TrimPrefix(visible.Line(step), "[internal] "), "$1")
}

// reason is an error on one line. Builders put words in front of every error
// that tell nothing here, and repeat the whole log behind some.
func reason(text string) string {
	const longest = 500
	text = strings.Join(strings.Fields(visible.Line(text)), " ")
	for _, prefix := range []string{"ERROR: ", "failed to build: ", "failed to solve: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if text == "" {
		return "no reason given"
	}
	return shorten(text, longest)
}

// effort is how long a job took, and in how many attempts when not in one.
func effort(attempts int, seconds float64) string {
	took := short(ofSeconds(seconds))
	if attempts > 1 {
		took += ", " + plural.Of(attempts, "attempt")
	}
	return took
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// truncate cuts the end off a text that is wider than width.
func truncate(s string, width int) string {
	return ansi.Truncate(s, max(width, 0), "…")
}

// shorten cuts the middle out of a text that is wider than width: names differ
// and errors tell their exit code at the end.
func shorten(s string, width int) string {
	total := ansi.StringWidth(s)
	if total <= width {
		return s
	}
	tail := (width - 1) / 2
	if tail <= 0 {
		return truncate(s, width)
	}
	return truncate(s, width-tail) + ansi.TruncateLeft(s, total-tail, "")
}

// pad fills a text with spaces up to width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-ansi.StringWidth(s), 0))
}

// padLeft fills a text with spaces in front up to width.
func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(width-ansi.StringWidth(s), 0)) + s
}

// joined joins the parts that are not empty.
func joined(separator string, parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, separator)
}

// flow joins parts into as few lines as the width allows.
func flow(parts []string, separator string, width int) []string {
	var out []string
	line := ""
	for _, part := range parts {
		switch joined := line + separator + part; {
		case line == "":
			line = part
		case ansi.StringWidth(joined) <= width:
			line = joined
		default:
			out = append(out, truncate(line, width))
			line = part
		}
	}
	return append(out, truncate(line, width))
}
