package page

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-analyze/charts"

	"github.com/stoker-build/stoker/internal/report"
)

// historyView is what the page of runs one after another prints.
type historyView struct {
	report.History
	Made time.Time
}

// WriteHistory writes the page of runs one after another.
func WriteHistory(w io.Writer, h report.History, made time.Time) error {
	return pageTemplate.ExecuteTemplate(w, "history", historyView{h, made})
}

// Answer says what a reader wants to know first.
func (v historyView) Answer() string { return v.Title() }

// Charts are what the runs came to, side by side.
func (v historyView) Charts() []chart {
	var labels []string
	rates := line{"images an hour", usedColour, nil}
	medians := line{"median of built", liveColour, nil}
	built, skipped, failed := line{Name: "built", colour: builtColour}, line{Name: "skipped", colour: skippedColour}, line{Name: "failed", colour: failedColour}
	for _, f := range v.Runs {
		labels = append(labels, v.label(f))
		rates.values, medians.values = append(rates.values, orNull(f.ImagesPerHour)), append(medians.values, orNull(f.MedianSeconds))
		built.values, skipped.values = append(built.values, float64(f.Built)), append(skipped.values, float64(f.Skipped))
		failed.values = append(failed.values, float64(f.Failed))
	}
	return []chart{
		{Title: "Images an hour", Note: "Of each run, in the order in which they began.", labels: labels, bars: true, format: whole, lines: []line{rates}},
		{Title: "Median of built", Note: "Half of the images that a run built took longer.", labels: labels, bars: true, format: duration, lines: []line{medians}},
		{Title: "Jobs", Note: "How the jobs of each run ended.", labels: labels, bars: true, stacked: true, format: whole, lines: []line{built, skipped, failed}},
	}
}

// label is when a run began, briefly: its day, or where all are of one day its time.
func (v historyView) label(f report.Figures) string {
	day, clock, _ := strings.Cut(f.Label(), " ")
	first, last := v.Runs[0].StartedAt.UTC(), v.Runs[len(v.Runs)-1].StartedAt.UTC()
	if first.Format(time.DateOnly) == last.Format(time.DateOnly) {
		return clock
	}
	return day
}

func orNull(v *float64) float64 {
	if v == nil {
		return charts.GetNullValue()
	}
	return *v
}

// Cells are the numbers of a run in the table of all.
func (v historyView) Cells(f report.Figures) []cell {
	return []cell{
		countCell(f.Built), countCell(f.Skipped), countCell(f.Failed), countCell(f.Unfinished),
		figureCell(f.WallClock, duration, unknown), figureCell(f.ImagesPerHour, whole, "-"), figureCell(f.MedianSeconds, duration, "-"),
		figureCell(floating(f.PulledBytes), size, unknown), figureCell(floating(f.ReclaimedBytes), size, unknown), figureCell(floating(f.PeakBytes), size, unknown),
	}
}

// cell is a number in a table, as people read it and as it is sorted: -1 where it is not
// known.
type cell struct {
	Text  string
	Value float64
}

func countCell(n int) cell { return cell{fmt.Sprint(n), float64(n)} }

func figureCell(v *float64, text func(float64) string, other string) cell {
	if v == nil {
		return cell{other, -1}
	}
	return cell{text(*v), *v}
}

func floating(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}
