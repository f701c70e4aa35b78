package show

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/plural"
)

// frame draws the live view of a state. It is a pure function: the same state,
// time and size always give the same text, which is at most width cells wide
// and height lines high.
type frame struct {
	palette
	*State
	now           time.Time
	width, height int
	// least is how many lines to fill at least. Every change of height makes
	// the renderer erase the whole frame, which flickers and, at the top of
	// some terminals, leaves a copy in the scrollback.
	least int
	// hint is the last line, which tells of keys; empty for none.
	hint string
}

const (
	// roomy is the width from which the view takes the space to be comfortable.
	roomy = 60
	// widest is where lines that have something at their right end have it at
	// most: farther away, an eye does not find what it belongs to.
	widest = 120
)

// columns is how wide lines with something at their right end are.
func (f frame) columns() int { return min(f.width, widest) }

func (f frame) String() string {
	lines := []string{f.header(), f.bar()}
	lines = append(lines, f.numbers()...)
	lines = append(lines, gauging{f}.gauges()...)
	lines = append(lines, f.space()...)
	lines = append(lines, gauging{f}.waits()...)
	for _, text := range f.awaited(f.now) {
		lines = append(lines, f.warn(text))
	}
	var last []string
	if f.hint != "" && f.height >= 10 {
		last = []string{f.dim(fitHint(f.hint, f.width))}
		if f.height >= 20 {
			last = append([]string{""}, last...)
		}
	}
	lines = append(lines, f.body(f.height-len(lines)-len(last))...)
	lines = append(lines, make([]string, max(f.least-len(lines)-len(last), 0))...)
	lines = append(lines[:min(len(lines), max(f.height-len(last), 1))], last...)
	for i := range lines {
		lines[i] = truncate(lines[i], f.width)
	}
	return strings.Join(lines, "\n")
}

// diskWasFull is why there are fewer workers, where there is room to say it.
const diskWasFull = " (disk was full)"

// header names the run; the elapsed time stands at its right end.
func (f frame) header() string {
	elapsed := clock(f.elapsed(f.now))
	room := f.columns() - len(elapsed) - 2
	left := flow(f.title(diskWasFull), ", ", room)
	if len(left) > 1 {
		left = flow(f.title(""), ", ", room)
	}
	return pad(left[0], room) + "  " + elapsed
}

// title is the parts of the header; full is what is said of a full disk that took workers.
func (f frame) title(full string) []string {
	parts := []string{f.bold("stoker") + "  " + plural.Of(f.total, "image"), f.workersText(full)}
	if f.batches > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d batches done", f.batchesDone, f.batches))
	}
	return parts
}

// bar is the share of the jobs that are built, skipped and failed.
func (f frame) bar() string {
	done := 100
	if f.total > 0 {
		done = f.done() * 100 / f.total
	}
	label := fmt.Sprintf(" %*d/%d %3d%%", len(fmt.Sprint(f.total)), f.done(), f.total, done)
	cells := max(f.columns()-len(label), 0)
	built, skipped, failed := shares(cells, f.total, f.built, f.kept+f.skipped+f.dependants.Jobs(), f.failed)
	rest := cells - built - skipped - failed
	// The glyphs differ too, for those who see no colours.
	return f.good(strings.Repeat("█", built)) + f.info(strings.Repeat("▓", skipped)) +
		f.bad(strings.Repeat("▞", failed)) + f.dim(strings.Repeat("░", rest)) + label
}

// shares divides the cells of a bar. What has happened at all gets a cell, and
// the bar is full only when all is done.
func shares(cells, total, built, skipped, failed int) (b, s, x int) {
	if total <= 0 || cells <= 0 {
		return 0, 0, 0
	}
	share := func(n, room int) int {
		if n == 0 {
			return 0
		}
		return min(max(int(math.Round(float64(n)*float64(cells)/float64(total))), 1), room)
	}
	done := built + skipped + failed
	room := cells
	if done < total {
		room--
	}
	x = share(failed, room)
	s = share(skipped, room-x)
	b = max(share(done, room)-s-x, share(min(built, 1), room-s-x))
	return b, s, x
}

// numbers are the counts, the pace and the time left.
func (f frame) numbers() []string {
	parts := []string{f.good(fmt.Sprintf("%d built", f.built))}
	if f.kept > 0 {
		parts = append(parts, f.info(fmt.Sprintf("%d kept", f.kept)))
	}
	if f.skipped > 0 {
		parts = append(parts, f.info(fmt.Sprintf("%d skipped", f.skipped)))
	}
	if f.failed > 0 {
		parts = append(parts, f.bad(fmt.Sprintf("%d failed", f.failed)))
	}
	if text := f.dependants.String(); text != "" {
		parts = append(parts, f.warn(text))
	}
	if f.built > 0 {
		parts = append(parts, perHour(f.ImagesPerHour(f.now)))
	}
	if text := f.leftText(f.now); text != "" {
		parts = append(parts, text)
	}
	if f.surveying != "" {
		parts = append(parts, "asking "+f.surveying)
	}
	return flow(parts, " · ", f.width)
}

// body is what runs and what went wrong, in the lines that remain. The running
// jobs give way to trouble only as far as room is short.
func (f frame) body(room int) []string {
	var stop []string
	if f.stopping != "" {
		stop = f.stop()
		room -= len(stop)
	}
	gap := 0
	if f.width >= roomy && room >= 12 {
		gap = 1
	}
	trouble := f.trouble(max(room/2, room-len(f.running)-gap) - gap)
	if len(trouble) > 0 {
		trouble = append(make([]string, gap), trouble...)
	}
	table := f.table(room - len(trouble) - gap)
	if len(table) > 0 {
		table = append(make([]string, gap), table...)
	}
	return append(append(stop, table...), trouble...)
}

func (f frame) stop() []string {
	const advice = "(press Ctrl-C again to quit at once)"
	text := "stopping: " + f.stopping
	if ansi.StringWidth(text)+1+len(advice) <= f.width {
		return []string{f.warn(text + " " + advice)}
	}
	return []string{f.warn(text), f.warn(advice)}
}

// table shows the jobs that have been running for longest, and how many more
// there are when not all fit.
func (f frame) table(room int) []string {
	if room <= 0 || len(f.running) == 0 {
		return nil
	}
	shown := f.running
	if len(shown) > room {
		shown = shown[:room-1]
	}
	nameWidth, nodeWidth := f.nameWidth(shown), f.nodeWidth(shown)
	var lines []string
	for _, j := range shown {
		lines = append(lines, f.row(j, nameWidth, nodeWidth))
	}
	if more := len(f.running) - len(shown); more > 0 {
		lines = append(lines, f.dim(fmt.Sprintf("… and %d more", more)))
	}
	return lines
}

// nameWidth gives names what they need, but leaves half of the line to steps.
func (f frame) nameWidth(jobs []*runningJob) int {
	longest := 0
	for _, j := range jobs {
		longest = max(longest, ansi.StringWidth(j.name))
	}
	return min(longest, f.columns()/2-2)
}

// widestNode is how wide the names of nodes are at most.
const widestNode = 14

// nodeWidth is that of the column with the jobs' nodes; 0 where there is none, since there
// is only one node or no room.
func (f frame) nodeWidth(jobs []*runningJob) int {
	longest := 0
	for _, j := range jobs {
		longest = max(longest, ansi.StringWidth(f.nodeWord(j.node)))
	}
	if f.width < roomy {
		return 0
	}
	return min(longest, widestNode)
}

func (f frame) row(j *runningJob, nameWidth, nodeWidth int) string {
	took := padLeft(whole(f.now.Sub(j.since)), 6)
	attempt := ""
	if j.attempt > 1 {
		attempt = f.attempt(j.attempt)
	}
	name := pad(shorten(j.name, nameWidth), nameWidth)
	if nodeWidth > 0 {
		name += "  " + pad(shorten(f.nodeWord(j.node), nodeWidth), nodeWidth)
		nameWidth += 2 + nodeWidth
	}
	room := max(f.columns()-nameWidth-ansi.StringWidth(attempt)-len(took)-3, 0)
	step := pad(truncate(j.doing(f.now), room), room)
	return name + "  " + f.warn(attempt) + f.dim(step) + " " + took
}

func (f frame) attempt(n int) string {
	if f.width < roomy {
		return fmt.Sprintf("#%d ", n)
	}
	return fmt.Sprintf("attempt %d  ", n)
}

// trouble is the last failures and warnings, the latest last.
func (f frame) trouble(room int) []string {
	if room <= 0 {
		return nil
	}
	failures := lastOf(f.failures, max(room-len(f.warnings), (room+1)/2))
	var lines []string
	for _, x := range failures {
		lines = append(lines, f.bad("✗ ")+f.failure(x))
	}
	for _, w := range lastOf(f.warnings, room-len(failures)) {
		lines = append(lines, f.warn("! ")+w)
	}
	return lines
}

func (f frame) failure(x failure) string {
	name := x.name
	if x.jobs > 1 {
		name = plural.Of(x.jobs, "image")
	}
	name = shorten(name, f.width/2-2)
	return name + "  " + shorten(x.reason, max(f.width-ansi.StringWidth(name)-4, 1))
}
