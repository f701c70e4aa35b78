package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// waitingJob is the next job, which there is no space for yet.
type waitingJob struct {
	name  string
	need  string
	since time.Time
}

// runningSweep is a sweep that has not ended.
type runningSweep struct {
	journal.SweepStarted
	since time.Time
}

// tally adds up sweeps that did something: that removed records, or failed.
type tally struct {
	sweeps, records, astray, failed int
	bytes                           int64
	reason                          string // of the last that failed
}

func (t *tally) add(e journal.SweepFinished) {
	if e.ReclaimedRecords == 0 && e.LiveRemovedRecords == 0 && e.Error == "" {
		return
	}
	t.sweeps++
	t.records += e.ReclaimedRecords
	t.bytes += e.ReclaimedBytes
	t.astray += e.LiveRemovedRecords
	if e.Error != "" {
		t.failed++
		t.reason = reason(e.Error)
	}
}

// trouble tells whether a person should look at what the sweeps did.
func (t *tally) trouble() bool { return t.failed > 0 || t.astray > 0 }

func (t *tally) String() string {
	text := "nothing removed"
	if t.records > 0 {
		text = fmt.Sprintf("%s in %s removed", size(t.bytes), plural.Of(t.records, "record"))
	}
	if t.sweeps > 1 {
		text += " by " + plural.Of(t.sweeps, "sweep")
	}
	if t.astray > 0 {
		text += "; " + plural.Of(t.astray, "record") + " removed that were not dead"
	}
	switch {
	case t.failed == 1:
		text += "; ended early: " + t.reason
	case t.failed > 1:
		text += fmt.Sprintf("; %d ended early, the last: %s", t.failed, t.reason)
	}
	return text
}

// wait notes which job waits for space. It does so until it starts.
func (s *State) wait(at time.Time, e journal.WaitingForSpace) {
	s.waiting = &waitingJob{name: visible.Line(e.Job), need: needText(e), since: at}
}

// waited notes that a job does not wait any more. Another may have begun to.
func (s *State) waited(name string) {
	if s.waiting != nil && s.waiting.name == visible.Line(name) {
		s.waiting = nil
	}
}

// setWorkers notes how many of the workers there are now.
func (s *State) setWorkers(n int) { s.away = max(s.workers-n, 0) }

func (s *State) endSweep(e journal.SweepFinished) {
	began := journal.SweepStarted{Node: e.Node, Batch: e.Batch, Pressure: e.Pressure}
	is := func(x runningSweep) bool { return x.SweepStarted == began }
	if i := slices.IndexFunc(s.sweeps, is); i >= 0 {
		s.sweeps = slices.Delete(s.sweeps, i, i+1)
	}
	s.swept.add(e)
	if e.LiveRemovedRecords > 0 {
		s.noteWarning(fmt.Sprintf("a sweep of %s removed %s that were not dead", visible.Line(e.Node), plural.Of(e.LiveRemovedRecords, "record")))
	}
}

// shownPressure is how long a sweep that makes room takes before it is shown:
// most are over at once, and would make the view flicker.
const shownPressure = time.Second

// sweeping tells which sweep runs; empty when none does that is worth it.
func (s *State) sweeping(now time.Time) string {
	text := ""
	for _, x := range s.sweeps {
		switch {
		case !x.Pressure && x.Batch > 0:
			return fmt.Sprintf("sweeping batch %d", x.Batch)
		case !x.Pressure:
			return "sweeping"
		case now.Sub(x.since) >= shownPressure:
			text = "making room"
		}
	}
	return text
}

// reclaimed is what all sweeps so far have freed; empty when that is nothing.
func (s *State) reclaimed() string {
	if s.swept.bytes == 0 {
		return ""
	}
	return size(s.swept.bytes) + " reclaimed"
}

// pulledBytes is what nodes have told that they pulled; nil where that is not known.
func (s *State) pulledBytes() *int64 {
	switch {
	case s.summary != nil:
		return s.summary.PulledBytes
	case s.pulled > 0:
		return &s.pulled
	}
	return nil
}

func (w *waitingJob) String() string {
	return "waiting for space: " + w.name + " needs " + w.need
}

// space is the line about space, if there is anything to say: what was
// reclaimed, which job waits, and which sweep runs. What does not fit is said
// in fewer words, or left out.
func (f frame) space() []string {
	line := ""
	for _, waiting := range f.waitingTexts() {
		for _, sweeping := range []string{f.sweeping(f.now), ""} {
			line = joined(" · ", f.reclaimed(), f.warn(waiting), f.dim(sweeping))
			switch {
			case line == "":
				return nil
			case ansi.StringWidth(line) <= f.width:
				return []string{line}
			}
		}
	}
	if f.waiting != nil {
		return []string{f.warn("waiting for space")}
	}
	return []string{line}
}

// waitingTexts tells which job waits in ever fewer words; one empty text when
// none does.
func (f frame) waitingTexts() []string {
	w := f.waiting
	if w == nil {
		return []string{""}
	}
	begin := "waiting " + whole(f.now.Sub(w.since)) + " for "
	var texts []string
	for _, width := range []int{ansi.StringWidth(w.name), 30, 20, 12} {
		texts = append(texts, begin+"space: "+shorten(w.name, width)+" needs "+w.need)
	}
	return append(texts, begin+w.need, "waiting for space")
}

func (p *plain) tellWaiting(at time.Time, e journal.WaitingForSpace) {
	p.line(at, p.warn, "waiting", fmt.Sprintf("for space: %s needs %s, %s free, %d running",
		visible.Line(e.Job), needText(e), size(e.FreeBytes), e.Running))
}

// needText says what a job needs, as far as that is known.
func needText(e journal.WaitingForSpace) string {
	if e.Guessed {
		return "perhaps " + size(e.NeedBytes)
	}
	return size(e.NeedBytes)
}

// tellSweep tells of one sweep after a batch, if it did something.
func (p *plain) tellSweep(at time.Time, e journal.SweepFinished) {
	what := "the rest"
	if e.Batch > 0 {
		what = fmt.Sprintf("batch %d", e.Batch)
	}
	if len(p.state.nodes) > 1 {
		what += " on " + visible.Line(e.Node)
	}
	var t tally
	t.add(e)
	p.tellTally(at, what, t)
}

// pressureEvery is how often the plain view tells at most of sweeps that make
// room: there may be one for each job.
const pressureEvery = 10 * time.Second

// burst is sweeps that made room and were not told of yet.
type burst struct {
	tally
	since time.Time
}

func (b *burst) add(at time.Time, e journal.SweepFinished) {
	if b.sweeps == 0 {
		b.since = at
	}
	b.tally.add(e)
}

func (b *burst) due(at time.Time) bool { return at.Sub(b.since) >= pressureEvery }

// tellBurst tells of the sweeps that made room in one line.
func (p *plain) tellBurst(at time.Time) {
	p.tellTally(at, "made room", p.burst.tally)
	p.burst = burst{}
}

func (p *plain) tellTally(at time.Time, what string, t tally) {
	if t.sweeps == 0 {
		return
	}
	paint := p.dim
	if t.trouble() {
		paint = p.warn
	}
	p.line(at, paint, "sweep", what+": "+t.String())
}

// space tells the most that the cache took, what the sweeps reclaimed of it and what was
// pulled, and where space was tight also of what bounds it.
func (f finalText) space() []string {
	tight := f.SpaceWasTight()
	var parts []string
	if c := f.Cache; c != nil && c.PeakBytes > 0 && !(tight && f.Space.OtherBytes == 0 && f.Space.PeakBytes == c.PeakBytes) {
		parts = append(parts, size(c.PeakBytes)+" at its peak") // else the next line has it
	}
	if p := f.Prune; p != nil && p.ReclaimedRecords > 0 {
		parts = append(parts, size(p.ReclaimedBytes)+" reclaimed in "+p.Removing())
	}
	indent := "  "
	if len(parts) > 0 {
		indent += "cache: "
	}
	_, built, _ := f.Own()
	switch {
	case f.PulledBytes == nil:
	case *f.PulledBytes > 0:
		parts = append(parts, size(*f.PulledBytes)+" pulled")
	case built > 0:
		parts = append(parts, "nothing pulled")
	}
	var lines []string
	if len(parts) > 0 {
		parts[0] = indent + parts[0]
		lines = f.flow(parts)
	}
	if s := f.Space; tight {
		first, rest, _ := strings.Cut(s.Text(), ", ")
		first = ": peak " + first
		parts := []string{"  " + f.name(s.Bound, 3+len(first)) + first}
		lines = append(lines, f.flow(append(parts, strings.Split(rest, ", ")...))...)
	}
	return lines
}

// unswept tells what went wrong with the sweeps.
func (f finalText) unswept() []string {
	p := f.Prune
	if p == nil {
		return nil
	}
	var lines []string
	if p.LiveRemovedRecords > 0 {
		lines = append(lines, f.bad("! ")+plural.Of(p.LiveRemovedRecords, "record")+" removed that were not dead")
	}
	var parts []string
	if n := len(p.Failures); n > 0 {
		parts = append(parts, plural.Of(n, "sweep")+" failed")
	}
	// The other policies leave what there is space for to a next run.
	toldOf := len(parts) > 0 || p.Policy == string(node.PruneCompleted) && p.Sweeps > 0
	switch l := p.Left; {
	case !toldOf:
	case l == nil:
		parts = append(parts, "how much dead cache is left is unknown")
	case l.LeftRecords > 0:
		parts = append(parts, fmt.Sprintf("%s in %s left", size(l.LeftBytes), plural.Of(l.LeftRecords, "dead record")))
	}
	if len(parts) > 0 {
		parts[0] = f.warn("! ") + parts[0]
		lines = append(lines, f.flow(parts)...)
	}
	if n := len(p.Failures); n > 0 {
		lines = append(lines, "    "+f.reason(p.Failures[n-1], 4))
	}
	return lines
}
