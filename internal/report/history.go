package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// History is runs one after another, in the order in which they began.
type History struct {
	Runs []Figures `json:"runs"`
}

// HistoryOf makes the history of runs.
func HistoryOf(runs []Seen) History {
	h := History{Runs: []Figures{}}
	for _, s := range runs {
		h.Runs = append(h.Runs, figuresOf(s))
	}
	slices.SortStableFunc(h.Runs, func(a, b Figures) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt.Time), cmp.Compare(a.Dir, b.Dir))
	})
	return h
}

// Title says which runs these are.
func (h History) Title() string {
	text := plural.Of(len(h.Runs), "run")
	if len(h.Runs) == 0 {
		return text
	}
	first, last := day(h.Runs[0]), day(h.Runs[len(h.Runs)-1])
	if first == last {
		return text + " of " + first
	}
	return fmt.Sprintf("%s from %s to %s", text, first, last)
}

func day(f Figures) string {
	text, _, _ := strings.Cut(f.Began(), " ")
	return text
}

// Best is the most images an hour of a run; 0 where no run has built any.
func (h History) Best() (best float64) {
	for _, f := range h.Runs {
		if f.ImagesPerHour != nil {
			best = max(best, *f.ImagesPerHour)
		}
	}
	return best
}

// barWidth is how many cells the most images an hour have.
const barWidth = 7

// Text is a line for each run: what does not fit a width is cut off the directories, which
// come last; 0 is no width.
func (h History) Text(width int) string {
	var cells strings.Builder
	t := tabwriter.NewWriter(&cells, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\n", strings.Join([]string{"began (UTC)", "built", "skip", "fail", "took", "img/h", "median", "pulled", "swept", "peak", ""}, "\t"))
	for _, f := range h.Runs {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t %s\n", f.Label(), f.Built, f.Skipped, f.Failed, timeOr(f.WallClock, unknown), rate(f.ImagesPerHour),
			timeOr(f.MedianSeconds, none), f.moved(f.PulledBytes), f.moved(f.ReclaimedBytes), f.moved(f.PeakBytes), barOf(f.ImagesPerHour, h.Best()))
	}
	_ = t.Flush() // a strings.Builder never fails
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", h.Title())
	for i, line := range strings.Split(strings.TrimSuffix(cells.String(), "\n"), "\n") {
		line = strings.TrimPrefix(line, " ") // between columns, and before the first
		if i > 0 {
			line = besideDir(line, visible.Line(h.Runs[i-1].Dir), width)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, note := range h.Remarks() {
		fmt.Fprintf(&b, "! %s\n", visible.Line(note))
	}
	return b.String()
}

// besideDir puts a directory behind a line, without the part of its beginning for which there
// is no room.
func besideDir(line, dir string, width int) string {
	const least = 8 // of which less says nothing
	if width == 0 {
		return line + "  " + dir
	}
	room := width - ansi.StringWidth(line) - 2
	if room < least {
		return line
	}
	if over := ansi.StringWidth(dir) - room; over > 0 {
		dir = ansi.TruncateLeft(dir, over+1, "…")
	}
	return line + "  " + dir
}

// Remarks tell of runs that have not built all that they were to, and of those that are the rest
// of others.
func (h History) Remarks() (notes []string) {
	for _, f := range h.Runs {
		if rest := f.rest(); rest != "" {
			notes = append(notes, fmt.Sprintf("%s, %s: it %s", f.Label(), f.Dir, rest))
		}
		if f.State != Finished {
			notes = append(notes, fmt.Sprintf("%s, %s: %s, %d of %s unfinished", f.Label(), f.Dir, f.State, f.Unfinished, plural.Of(f.Total, "job")))
		}
	}
	return notes
}

// Label is when a run began, without the year: the title has it.
func (f Figures) Label() string {
	if f.StartedAt.IsZero() {
		return unknown
	}
	return f.StartedAt.UTC().Format("01-02 15:04")
}

// barOf draws a rate, as long as it is beside the best; nothing where it is not known.
func barOf(perHour *float64, best float64) string {
	if perHour == nil {
		return strings.Repeat(" ", barWidth)
	}
	eighths := max(int(math.Round(*perHour/best*barWidth*8)), 1)
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return bar + strings.Repeat(" ", barWidth-len([]rune(bar)))
}

// Markdown is the history as a table.
func (h History) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Stoker: %s\n\n| began (UTC) | state | jobs | built | skipped | failed | wall clock | images an hour | | median of built | pulled | reclaimed | peak | run |\n"+
		"| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | --- |\n", h.Title())
	for _, f := range h.Runs {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %s | %s | %s | %s | %s | %s | %s | %s |\n", f.Began(), f.State, f.Total, f.Built, f.Skipped, f.Failed,
			timeOr(f.WallClock, unknown), rate(f.ImagesPerHour), strings.TrimSpace(barOf(f.ImagesPerHour, h.Best())), timeOr(f.MedianSeconds, none),
			f.moved(f.PulledBytes), f.moved(f.ReclaimedBytes), f.moved(f.PeakBytes), visible.Markdown(f.Dir))
	}
	return b.String()
}

// figureColumns are those of the CSV. What is not known is empty.
var figureColumns = []struct {
	name  string
	value func(Figures) string
}{
	{"run", func(f Figures) string { return f.Dir }},
	{"state", func(f Figures) string { return f.State }},
	{"started_at", func(f Figures) string { return timestamp(f.StartedAt) }},
	{"total", func(f Figures) string { return fmt.Sprint(f.Total) }},
	{"built", func(f Figures) string { return fmt.Sprint(f.Built) }},
	{"skipped", func(f Figures) string { return fmt.Sprint(f.Skipped) }},
	{"failed", func(f Figures) string { return fmt.Sprint(f.Failed) }},
	{"skipped_dependency", func(f Figures) string { return fmt.Sprint(f.SkippedDependency) }},
	{"unfinished", func(f Figures) string { return fmt.Sprint(f.Unfinished) }},
	{"wall_clock_seconds", func(f Figures) string { return orEmpty(f.WallClock) }},
	{"images_per_hour", func(f Figures) string { return orEmpty(f.ImagesPerHour) }},
	{"median_build_seconds", func(f Figures) string { return orEmpty(f.MedianSeconds) }},
	{"pull_bytes", func(f Figures) string { return orEmpty(f.PullBytes) }},
	{"pulled_bytes", func(f Figures) string { return orEmpty(f.PulledBytes) }},
	{"reclaimed_bytes", func(f Figures) string { return orEmpty(f.ReclaimedBytes) }},
	{"peak_bytes", func(f Figures) string { return orEmpty(f.PeakBytes) }},
	{"peak_of", func(f Figures) string { return f.PeakOf }},
}

func orEmpty[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

// CSV has a line for each run.
func (h History) CSV() (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	var head []string
	for _, c := range figureColumns {
		head = append(head, c.name)
	}
	lines := [][]string{head}
	for _, f := range h.Runs {
		var line []string
		for _, c := range figureColumns {
			line = append(line, csvCell(c.value(f)))
		}
		lines = append(lines, line)
	}
	err := w.WriteAll(lines)
	return b.String(), err
}
