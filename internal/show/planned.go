package show

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/advice"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/visible"
)

// Planned writes what a run would do, with notes about its input before it.
func Planned(w io.Writer, notes []string, p run.Planned, found []advice.Advice) error {
	var text strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&text, "note: %s\n", visible.Line(note))
	}
	if len(p.Jobs) == 0 {
		text.WriteString(nothingLeft(p.Skipped))
		_, err := io.WriteString(w, text.String())
		return err
	}
	writeLinks(&text, p)
	failing := writePlannedJobs(&text, p.Jobs)
	text.WriteString("\n")
	// A strings.Builder never fails.
	_ = Pairs(&text, plannedRows(p, failing))
	writeScales(&text, p)
	writeAdvice(&text, found)
	_, err := io.WriteString(w, text.String())
	return err
}

// nothingLeft says that nothing is left to build, since all images exist.
func nothingLeft(skipped int) string {
	switch skipped {
	case 0:
		return "nothing is left to build\n"
	case 1:
		return "nothing is left to build: the one image exists; --force builds it again\n"
	}
	return fmt.Sprintf("nothing is left to build: all %d images exist; --force builds them again\n", skipped)
}

// mostLinks is how many lines tell of links.
const mostLinks = 12

// writeLinks tells which steps are linked, and why others are not.
func writeLinks(w *strings.Builder, p run.Planned) {
	for _, step := range p.Links[:min(len(p.Links), mostLinks)] {
		fmt.Fprintf(w, "link: %s\n", visible.Line(step.String()))
	}
	if more := len(p.Links) - mostLinks; more > 0 {
		fmt.Fprintf(w, "link: and %d more, which --format json tells\n", more)
	}
}

// dearest is how many pieces of advice people are told.
const dearest = 3

// writeAdvice writes the dearest of what would be cheaper.
func writeAdvice(w *strings.Builder, found []advice.Advice) {
	for i, a := range found {
		if i == dearest {
			fmt.Fprintf(w, "\n%s like these, which --format json tells\n", plural.Of(len(found)-dearest, "more hint"))
			return
		}
		fmt.Fprintf(w, "\nadvice: %s\n  %s\n  %s\n", visible.Line(a.Text), visible.Line(a.Remedy), a.Price)
		if a.File != "" {
			fmt.Fprintf(w, "  %s:%d, in %s\n", visible.Line(a.File), a.Line, plural.Of(len(a.Jobs), "job"))
		} else {
			fmt.Fprintf(w, "  in %s\n", plural.Of(len(a.Jobs), "job"))
		}
		if a.Patch != "" {
			w.WriteString(visible.Patch(a.Patch))
		}
	}
}

// writePlannedJobs lists the jobs in order, and returns how many will fail.
func writePlannedJobs(w *strings.Builder, jobs []run.PlannedJob) (failing int) {
	for i, j := range jobs {
		if i == 0 || jobs[i-1].Batch != j.Batch {
			fmt.Fprintf(w, "batch %d\n", j.Batch)
		}
		fmt.Fprintf(w, "  %s  %s\n", visible.Line(j.Name), visible.Line(strings.Join(j.Tags, " ")))
		if j.Problem != "" {
			fmt.Fprintf(w, "    will fail: %s\n", visible.Line(j.Problem))
			failing++
		}
	}
	return failing
}

// plannedRows are the numbers of a run, from how many jobs there are to whether
// they fit.
func plannedRows(p run.Planned, failing int) (rows [][2]string) {
	row := func(name, format string, args ...any) {
		rows = append(rows, [2]string{name, fmt.Sprintf(format, args...)})
	}
	row("jobs", "%d in %s, %s, %d skipped", len(p.Jobs), plural.Of(p.Batches, "batch"), plural.Of(p.Workers, "worker"), p.Skipped)
	if failing > 0 {
		row("will fail", "%s, as said above; no figure below counts them", plural.Of(failing, "job"))
	}
	if n := p.Forecast.Unknown; n > 0 {
		row("unknown", "what %s; no figure below counts them", jobsDo(n))
	}
	if text := assembledText(p.Jobs); text != "" {
		row("assembled", "%s", text)
	}
	if p.Forecast.Jobs > 0 {
		rows = append(rows, forecastRows(p)...)
	}
	if failing > 0 && failing == len(p.Jobs) {
		row("fits", "nothing can be built: %s", allFail(failing))
		return rows
	}
	if p.Bound == "" {
		row("fits", "no bound is known: name the disk with --disk-path, or give --cache-budget")
		return rows
	}
	row("bound", "%s", boundText(p))
	row("fits", "%s", fits(p))
	return rows
}

// assembledText says how many of the images that only copy onto their base are
// assembled in their registry, and why others are not; nothing where there are none.
func assembledText(jobs []run.PlannedJob) string {
	recipes, others := map[string]bool{}, map[string]int{}
	assembled, copied := 0, 0
	for _, j := range jobs {
		switch {
		case j.Assembles:
			recipes[j.Recipe] = true
			assembled++
		case j.Left != "":
			others[j.Left]++
		default:
			continue
		}
		copied++
	}
	if copied == 0 {
		return ""
	}
	parts := []string{fmt.Sprintf("%d of %d that only copy onto their base", assembled-2*len(recipes), copied)}
	if len(recipes) > 0 {
		parts[0] += fmt.Sprintf(", once the builder has made %d", 2*len(recipes))
	}
	for _, why := range slices.Sorted(maps.Keys(others)) {
		parts = append(parts, fmt.Sprintf("the builder makes %d: %s", others[why], visible.Line(why)))
	}
	return strings.Join(parts, "; ")
}

// forecastRows tell how the cache will grow and shrink.
func forecastRows(p run.Planned) (rows [][2]string) {
	row := func(name, format string, args ...any) {
		rows = append(rows, [2]string{name, fmt.Sprintf(format, args...)})
	}
	f := p.Forecast
	row("pull", "%s; sharing layers saves %s", size(f.PullBytes), size(f.SharedBytes))
	switch {
	case f.Guessed > 0:
		row("a job adds", "not known yet; %s assumed", size(f.GuessedBytes))
	case f.Rates.Own > 0:
		row("a job adds", "about %s of its own", size(f.Rates.Own))
	}
	cached := func(bytes int64) string { return size(bytes - p.OtherBytes) }
	workers := plural.Of(p.Workers, "worker")
	row("peak", "%s of cache with %s; %s if nothing were removed", cached(f.PeakBytes), workers, cached(f.TotalBytes))
	row("least", "%s of cache for %s in this order, %s for one", cached(f.LeastBytes), workers, cached(f.SmallestBytes))
	row("use", "%s", sparkline(f.Curve))
	return rows
}

// boundText says what bounds the cache, and what is used of that now, by whom.
func boundText(p run.Planned) string {
	text := fmt.Sprintf("%s: limit %s, %s used", p.Bound, size(p.Limit.High), size(p.UsedBytes))
	if p.OtherBytes > 0 {
		text += fmt.Sprintf(", %s of it not by the cache", size(p.OtherBytes))
	}
	return text
}

// allFail says that each of some jobs will fail.
func allFail(n int) string {
	if n == 1 {
		return "the one job will fail"
	}
	return fmt.Sprintf("all %d jobs will fail", n)
}

// jobsDo says of how many jobs something is said.
func jobsDo(n int) string {
	if n == 1 {
		return "1 job does"
	}
	return fmt.Sprintf("%d jobs do", n)
}

func fits(p run.Planned) string {
	f := p.Forecast
	switch {
	case f.Jobs+f.Unknown == 0:
		return "nothing is to be built"
	case !f.Fits:
		return fmt.Sprintf("no: at least %s of cache are needed, and %s are allowed", size(f.SmallestBytes-p.OtherBytes), size(p.Limit.High-p.OtherBytes))
	case f.Unknown > 0 && f.Jobs > 0:
		return fmt.Sprintf("unknown for %d of the jobs; the others fit", f.Unknown)
	case f.Unknown > 0:
		return "unknown for " + plural.Of(f.Unknown, "job")
	case f.Waits > 0:
		return fmt.Sprintf("yes; workers will wait for space about %d times", f.Waits)
	}
	return "yes"
}

// sparkline draws a curve in one line of at most 60 characters.
func sparkline(curve []int64) string {
	const width, bars = 60, "▁▂▃▄▅▆▇█"
	if len(curve) == 0 {
		return ""
	}
	most := max(slices.Max(curve), 1)
	steps := []rune(bars)
	var b strings.Builder
	for i := range min(len(curve), width) {
		v := curve[i*len(curve)/min(len(curve), width)]
		b.WriteRune(steps[int(v*int64(len(steps)-1)/most)])
	}
	return b.String()
}
