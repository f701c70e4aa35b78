package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/visible"
)

// How much of each the page shows.
const (
	shownSlowest = 20
	shownLines   = 30
	shownRuns    = 8
)

// view is what the page's template prints. Each part is made when the template asks for it:
// of a page that follows a run, only some are made anew at a time.
type view struct{ Data }

// figure is a number that matters, with what it is.
type figure struct{ Value, Name, Class string }

// runView is one run over time.
type runView struct {
	Run
	Heading string
	Resumed string
	// Nothing says why nothing is drawn, where nothing is.
	Nothing string
	Charts  []chart
	Lanes   []lanes
}

// share is a part of a whole.
type share struct {
	part
	Percent float64
}

// row is a job in the table of all.
type row struct {
	Name, Status, Digest, Why string
	Seconds                   float64
	Attempts                  int
	Ended                     bool
}

// follows tells whether the page is of a run that goes on.
func (v view) follows() bool { return v.Live != nil && !v.Live.Over }

// State is that of the runs.
func (v view) State() string { return stateOf(v.Report) }

// Answer says what a reader wants to know first.
func (v view) Answer() string { return answer(v.Report) }

// Notes are what a reader should know of the totals. Of a run that is followed they would
// say that it is told of no further.
func (v view) Notes() []string {
	if v.follows() {
		return nil
	}
	return cleaned(v.Report.Remarks())
}

// cleaned are texts as they can be shown.
func cleaned(texts []string) (all []string) {
	for _, text := range texts {
		all = append(all, visible.Line(text))
	}
	return all
}

// Drawn are the runs that are drawn.
func (v view) Drawn() (all []runView) {
	for _, run := range v.Runs[:min(len(v.Runs), shownRuns)] {
		all = append(all, runOf(run, len(v.Runs) > 1))
	}
	return all
}

// Undrawn is how many runs are not.
func (v view) Undrawn() int { return max(len(v.Runs)-shownRuns, 0) }

// Phases is where the time of all jobs went.
func (v view) Phases() []share {
	if v.Report.Phases == nil {
		return nil
	}
	return shares(partsOf(v.Report.Phases.Each()))
}

// Costs are the dearest lines of the Dockerfiles.
func (v view) Costs() []explain.Line { return v.Lines[:min(len(v.Lines), shownLines)] }

// Tree is what the jobs share.
func (v view) Tree() []branch { return tree(v.Steps) }

// Jobs are all, but for those that go on or wait on a page that tells of these elsewhere.
func (v view) Jobs() (all []row) {
	for _, j := range v.Report.Jobs {
		all = append(all, rowOf(j))
	}
	if v.Live != nil {
		return all
	}
	for _, o := range v.Report.Open {
		all = append(all, row{Name: visible.Line(o.Name), Status: "left"})
	}
	return all
}

// Now is what goes on, on a page that follows a run.
func (v view) Now() (n now) {
	for _, run := range v.Runs {
		if v.follows() {
			n = nowOf(run.Run)
		}
	}
	return n
}

// stateOf is the state of the runs: that of the first which does not end as the others.
func stateOf(r report.Report) string {
	state := ""
	for _, run := range r.Runs {
		if run.State == report.Running {
			return run.State
		}
		if state == "" || state == report.Finished {
			state = run.State
		}
	}
	return state
}

// answer says what a reader wants to know first.
func answer(r report.Report) string {
	there := r.Built + r.Skipped
	all := r.AllJobs()
	text := fmt.Sprintf("%d of %s", there, plural.Of(all, "image"))
	if there == all && all > 1 {
		text = fmt.Sprintf("All %d images", all)
	}
	verb := "are"
	if all == 1 {
		verb = "is"
	}
	if stateOf(r) == report.Running {
		return text + " " + verb + " there so far"
	}
	return text + " " + verb + " there"
}

// Figures are the numbers that matter.
func (v view) Figures() []figure {
	r, kept := v.Report, keptOf(v.Report)
	built := figure{fmt.Sprint(r.Built - kept.Built), "built", "built"}
	if r.Built == kept.Built {
		built.Class = "skipped" // nothing of which to be glad
	}
	all := []figure{built}
	add := func(n int, name, class string) {
		if n > 0 {
			all = append(all, figure{fmt.Sprint(n), name, class})
		}
	}
	add(kept.Jobs(), "kept from before", "skipped")
	add(r.Skipped-kept.Skipped, "there before", "skipped")
	add(r.Failed, "failed", failedClass)
	add(r.SkippedDependency, "not built: built on failed ones", failedClass)
	add(r.Unfinished, "left", "left")
	all = append(all, v.took())
	if v.follows() && v.Live.Left != "" {
		all = append(all, figure{v.Live.Left, "left", ""})
	}
	if r.ImagesPerHour > 0 {
		all = append(all, figure{whole(r.ImagesPerHour), "images an hour", ""})
	}
	add(r.Assembled, "put together in the registry", "")
	for _, run := range v.Runs {
		all = append(all, peaks(run)...)
	}
	return all
}

// keptOf are the jobs that had been finished before the run was gone on with. What is told of
// several runs tells of all their jobs: there are none then.
func keptOf(r report.Report) (k ledger.KeptCount) {
	if len(r.Runs) == 1 {
		k = r.Runs[0].Kept
	}
	return k
}

// took is how long the runs took, or the one that goes on has taken. One that was gone on with
// counts from there, as everywhere else.
func (v view) took() figure {
	if len(v.Report.Runs) != 1 {
		return figure{duration(v.Report.WallClockSeconds), "from the first start to the last end", ""}
	}
	run := v.Report.Runs[0]
	seconds, from := run.Seconds, "from start"
	lost := run.State == report.Killed || run.State == report.Unknown
	if run.Resumed {
		from = "since it went on"
	}
	if lost || run.State == report.Running {
		for _, r := range v.Runs {
			if r.Run != nil {
				seconds = max(seconds, r.Length().Seconds())
			}
		}
	}
	switch {
	case v.follows():
		return figure{duration(seconds), "so far", ""}
	case lost:
		return figure{duration(seconds), from + " until it was last heard of", ""}
	case run.Resumed:
		return figure{duration(seconds), from, ""}
	}
	return figure{duration(seconds), from + " to end", ""}
}

// peaks are the most that a run took of its disk, or of its cache.
func peaks(run Run) []figure {
	switch s := run.Summary; {
	case s == nil:
	case s.Space != nil && s.Space.PeakBytes > 0:
		return []figure{{size(float64(s.Space.PeakBytes)), fmt.Sprintf("at most, of %s", size(float64(s.Space.HighBytes))), ""}}
	case s.Cache != nil:
		return []figure{{size(float64(s.Cache.PeakBytes)), "of cache at most", ""}}
	}
	return nil
}

func runOf(run Run, several bool) runView {
	r := runView{Run: run, Heading: "The run", Nothing: "Its events are not on record, so that it cannot be drawn."}
	if several {
		r.Heading = run.Dir
	}
	if run.Run == nil || run.Began.IsZero() {
		return r
	}
	r.Nothing = "No job has ended, and how full the nodes are is not known yet."
	if run.Start.Kept > 0 {
		r.Resumed = fmt.Sprintf("It went on with an earlier run: %s had been finished, and are not drawn.", plural.Of(run.Start.Kept, "job"))
	}
	if c := done(run.Run); len(c.lines) > 0 {
		r.Charts = append(r.Charts, c)
	}
	nodes := run.Start.Nodes
	for _, node := range nodes {
		for _, c := range space(run.Run, node) {
			if len(nodes) > 1 {
				c.Title += " of " + visible.Line(node)
			}
			r.Charts = append(r.Charts, c)
		}
	}
	for _, node := range append(slices.Clone(nodes), "") {
		if l := lanesOf(run.Run, node); len(l.Jobs) > 0 {
			switch {
			case node == "":
				l.Node = "on several nodes together"
			case len(nodes) == 1:
				l.Node = ""
			}
			r.Lanes = append(r.Lanes, l)
		}
	}
	return r
}

// shares tells the parts of a whole.
func shares(parts []part) []share { return sharesOf(parts, secondsOf(parts)) }

// sharesOf tells parts of what took so many seconds.
func sharesOf(parts []part, whole float64) (all []share) {
	for _, p := range parts {
		all = append(all, share{p, 100 * p.Seconds / whole})
	}
	return all
}

func secondsOf(parts []part) (sum float64) {
	for _, p := range parts {
		sum += p.Seconds
	}
	return sum
}

func rowOf(j report.Job) row {
	status := strings.ReplaceAll(string(j.Status), "_", " ")
	if j.Status == ledger.Skipped {
		status = "skipped" // why, stands beside it
	}
	one := row{
		Name: visible.Line(j.Name), Status: visible.Line(status), Digest: visible.Line(shortDigest(j.Digest)),
		Seconds: j.DurationSeconds, Attempts: j.AttemptCount, Ended: true,
	}
	switch {
	case j.Status == ledger.Failed:
		one.Why = visible.Line(visible.FirstLine(j.Cause().Reason()))
	case j.Entry.Skipped() != "":
		one.Why = visible.Line(j.Entry.Skipped())
	case j.Assembled:
		one.Why = "put together in the registry"
	}
	return one
}

// shortDigest is enough of a digest to tell it from others.
func shortDigest(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(len(hex), 12)]
}
