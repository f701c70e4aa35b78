// Package sketch draws what runs did over time in characters, for Markdown. It is pure.
package sketch

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timeline"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// A drawing is at most so wide and so high, in characters.
	width, height = 60, 5
	// shownRuns is how many of several runs are drawn.
	shownRuns = 4
)

// Run is a run with the name that it is drawn under.
type Run struct {
	Name string
	*timeline.Run
}

// Markdown draws runs one below the other, each under its name where there are several: the
// images that were done over time, and how full the fullest node was. It is empty where nothing
// is known of when things happened.
func Markdown(runs []Run) string {
	var b strings.Builder
	for _, r := range runs[:min(len(runs), shownRuns)] {
		drawn := drawing{r, r.Grid(width - 1)}
		text := drawn.images() + drawn.space()
		if text == "" {
			continue
		}
		b.WriteString("\n")
		if len(runs) > 1 {
			fmt.Fprintf(&b, "%s\n\n", visible.Markdown(r.Name))
		}
		fmt.Fprintf(&b, "```text\n%s```\n", strings.ReplaceAll(text, "`", "'")) // which could end it
	}
	if more := len(runs) - shownRuns; more > 0 && b.Len() > 0 {
		fmt.Fprintf(&b, "\n%s not drawn.\n", plural.Of(more, "more run"))
	}
	return b.String()
}

// drawing is one run's.
type drawing struct {
	Run
	grid timeline.Grid
}

// images draws how many images were there at each moment, and when others failed.
func (d drawing) images() string {
	if len(d.Ends) == 0 || d.Start.Jobs <= 0 {
		return ""
	}
	counts := d.Counts(d.grid)
	there, failed := make([]float64, d.grid.N), 0.0
	marks := ""
	for i := range there {
		there[i] = float64(d.Start.Kept) + counts.Built[i] + counts.Skipped[i]
		mark := " "
		if counts.Failed[i] > failed {
			mark = "x"
		}
		failed, marks = counts.Failed[i], marks+mark
	}
	title := fmt.Sprintf("images there, of %d", d.Start.Jobs)
	if failed > 0 {
		title += fmt.Sprintf("; x: %.0f failed", failed)
	} else {
		marks = ""
	}
	return title + "\n" + d.plot(there, float64(d.Start.Jobs), fmt.Sprint(d.Start.Jobs), marks)
}

// space draws how full the fullest node was: what bounds it, or its cache where nothing does.
func (d drawing) space() string {
	node, s := d.fullest()
	series, top := s.Used, most(s.High)
	title := visible.Line(s.Bound)
	if top <= 0 {
		series, title = cached(s), "the cache"
		top = most(series)
	}
	peak := most(series)
	if peak <= 0 {
		return ""
	}
	values := make([]float64, d.grid.N)
	for i, v := range series {
		if v != nil {
			values[i] = float64(*v)
		}
	}
	if len(d.Start.Nodes) > 1 {
		title += " of the fullest node, " + visible.Line(node)
	}
	title += ": at most " + bytesize.Text(peak)
	if s.Bound != "" {
		title += ", limit " + bytesize.Text(top)
	}
	top = max(top, peak)
	return "\n" + title + "\n" + d.plot(values, float64(top), bytesize.Text(top), "")
}

// fullest is the node of which the largest share was used at any time, or that had the largest
// cache where nothing is bounded.
func (d drawing) fullest() (name string, fullest timeline.Space) {
	share := -1.0
	for _, node := range d.Start.Nodes {
		s := d.Space(node, d.grid)
		of := float64(most(s.Used)) / float64(max(most(s.High), 1))
		if most(s.High) == 0 {
			of = float64(most(cached(s))) / (1 << 62) // below any that is bounded
		}
		if of > share {
			name, fullest, share = node, s, of
		}
	}
	return name, fullest
}

// cached is how large a node's cache was.
func cached(s timeline.Space) []*int64 {
	all := make([]*int64, len(s.Live))
	for i := range s.Live {
		if s.Live[i] != nil {
			sum := *s.Live[i] + *s.Dead[i] + *s.Foreign[i] + *s.LeftOver[i]
			all[i] = &sum
		}
	}
	return all
}

func most(series []*int64) (most int64) {
	for _, v := range series {
		if v != nil {
			most = max(most, *v)
		}
	}
	return most
}

// eighths are a character's heights.
var eighths = []rune(" ▁▂▃▄▅▆▇█")

// plot draws columns up to a top, with marks below, if there are any, and the time.
func (d drawing) plot(values []float64, top float64, label, marks string) string {
	var b strings.Builder
	line := func(label, text string) {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%s %s", padded(label), text), " "))
	}
	for row := height - 1; row >= 0; row-- {
		cells := make([]rune, len(values))
		for i, v := range values {
			cells[i] = eighths[filled(v, top, row)]
		}
		at := map[int]string{height - 1: label, 0: "0"}[row]
		line(at, "│"+string(cells))
	}
	line("", "└"+strings.Repeat("─", len(values)))
	if marks != "" {
		line("", " "+marks)
	}
	line("", " 0s "+padLeft(timespan.Text(d.Length()), len(values)-len("0s ")))
	return b.String()
}

// filled is how many eighths of a row's cell a column has. What is there at all is seen, and
// what is not all does not look as if it were.
func filled(v, top float64, row int) int {
	const all = height * 8
	level := min(int(v/top*all), all)
	if v > 0 {
		level = max(level, 1)
	}
	return min(max(level-8*row, 0), 8)
}

// labelWidth is that of the labels left of a drawing.
const labelWidth = 8

func padded(label string) string { return padLeft(label, labelWidth) }

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(width-ansi.StringWidth(s), 0)) + s
}
