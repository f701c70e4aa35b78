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
	shownFailures = 30
	shownTail     = 20
	shownSlowest  = 20
	shownLines    = 30
	shownRuns     = 8
)

// view is what the page's template prints.
//
// Large: a field for each part of the page.
type view struct {
	Data
	Title, State, Answer string
	Figures              []figure
	Notes                []string
	Failures             []failure
	MoreFailures         int
	Runs                 []runView
	MoreRuns             int
	Phases               []share
	Legend               []part
	Slowest              []slow
	Costs                []explain.Line
	Tree                 []branch
	Jobs                 []row
	// Now is what goes on, on a page that follows a run.
	Now now
}

// figure is a number that matters, with what it is.
type figure struct{ Value, Name, Class string }

// failure is a reason for which jobs have failed.
type failure struct {
	Reason, Place, Step, Log string
	Count                    int
	Jobs                     string
	Tail                     []string
}

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

// slow is one of the slowest jobs.
type slow struct {
	Name    string
	Seconds float64
	Parts   []share
}

// row is a job in the table of all.
type row struct {
	Name, Status, Node, Digest, Why string
	Seconds                         float64
	Attempts                        int
	Ended                           bool
}

func viewOf(d Data) view {
	r := d.Report
	v := view{Data: d, Notes: r.Remarks(), Legend: legend(), Tree: tree(d.Steps), Costs: d.Lines[:min(len(d.Lines), shownLines)]}
	v.State = stateOf(r)
	v.Answer = answer(r)
	v.Title = v.Answer
	v.Figures = figures(d)
	v.failures(d)
	for _, run := range d.Runs[:min(len(d.Runs), shownRuns)] {
		v.Runs = append(v.Runs, runOf(run, len(d.Runs) > 1))
	}
	v.MoreRuns = len(d.Runs) - len(v.Runs)
	if r.Phases != nil {
		v.Phases = shares(partsOf(*r.Phases))
	}
	v.Slowest = slowest(r.Jobs)
	if d.Live == nil {
		v.Jobs = rows(r)
		return v
	}
	if !d.Live.Over {
		v.Notes = nil // it says that a run which goes on is told of no further
	}
	r.Open = nil // what goes on, and what waits, is told elsewhere
	v.Jobs = rows(r)
	for _, run := range d.Runs {
		if !d.Live.Over {
			v.Now = nowOf(run.Run)
		}
	}
	return v
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

func figures(d Data) []figure {
	r := d.Report
	all := []figure{{fmt.Sprint(r.Built), "built", "built"}}
	add := func(n int, name, class string) {
		if n > 0 {
			all = append(all, figure{fmt.Sprint(n), name, class})
		}
	}
	add(r.Skipped, "there before", "skipped")
	add(r.Failed, "failed", failedClass)
	add(r.SkippedDependency, "not built: built on failed ones", failedClass)
	add(r.Unfinished, "left", "left")
	all = append(all, took(d))
	if r.ImagesPerHour > 0 {
		all = append(all, figure{whole(r.ImagesPerHour), "images an hour", ""})
	}
	add(r.Assembled, "put together in the registry", "")
	for _, run := range d.Runs {
		all = append(all, peaks(run)...)
	}
	if r.PullBytes != nil && *r.PullBytes > 0 {
		all = append(all, figure{size(float64(*r.PullBytes)), "to pull, by the forecast", ""})
	}
	if r.ReclaimedBytes != nil {
		all = append(all, figure{size(float64(*r.ReclaimedBytes)), "of cache swept", ""})
	}
	return all
}

// took is how long the runs took, or the one that goes on has taken.
func took(d Data) figure {
	if d.Live == nil || d.Live.Over {
		return figure{duration(d.Report.WallClockSeconds), "from start to end", ""}
	}
	seconds := d.Report.WallClockSeconds
	for _, run := range d.Runs {
		if !run.Began.IsZero() {
			seconds = max(seconds, run.Latest.Sub(d.Report.StartedAt.Time).Seconds())
		}
	}
	return figure{duration(seconds), "so far", ""}
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

func (v *view) failures(d Data) {
	groups := d.Report.FailureGroups
	v.MoreFailures = max(len(groups)-shownFailures, 0)
	for _, g := range groups[:len(groups)-v.MoreFailures] {
		common := g.Common()
		f := failure{Reason: visible.Text(common.Reason()), Place: common.Place(), Step: visible.Line(common.Step), Log: g.LogPath, Count: g.Jobs}
		f.Jobs = strings.Join(g.Names(visible.Line), ", ")
		tail := common.Output
		if len(tail) == 0 && d.Tail != nil && g.LogPath != "" {
			tail = d.Tail(g.LogPath)
		}
		for _, line := range tail[max(len(tail)-shownTail, 0):] {
			f.Tail = append(f.Tail, visible.Text(line))
		}
		v.Failures = append(v.Failures, f)
	}
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
func shares(parts []part) (all []share) {
	total := 0.0
	for _, p := range parts {
		total += p.Seconds
	}
	for _, p := range parts {
		all = append(all, share{p, 100 * p.Seconds / total})
	}
	return all
}

func legend() (all []part) {
	for _, g := range phaseGroups {
		all = append(all, part{Class: g.Class, Name: g.Name})
	}
	return all
}

func slowest(jobs []report.Job) (all []slow) {
	sorted := slices.Clone(jobs)
	slices.SortStableFunc(sorted, func(a, b report.Job) int {
		switch {
		case a.DurationSeconds > b.DurationSeconds:
			return -1
		case a.DurationSeconds < b.DurationSeconds:
			return 1
		}
		return 0
	})
	for _, j := range sorted {
		if len(all) == shownSlowest || j.DurationSeconds <= 0 {
			break
		}
		s := slow{Name: visible.Line(j.Name), Seconds: j.DurationSeconds}
		if j.Phases != nil {
			for _, p := range partsOf(*j.Phases) {
				s.Parts = append(s.Parts, share{p, 100 * p.Seconds / sorted[0].DurationSeconds})
			}
		}
		all = append(all, s)
	}
	return all
}

func rows(r report.Report) (all []row) {
	for _, j := range r.Jobs {
		all = append(all, rowOf(j))
	}
	for _, o := range r.Open {
		all = append(all, row{Name: visible.Line(o.Name), Status: "left"})
	}
	return all
}

func rowOf(j report.Job) row {
	one := row{
		Name: visible.Line(j.Name), Status: strings.ReplaceAll(string(j.Status), "_", " "), Node: visible.Line(j.Node), Digest: shortDigest(j.Digest),
		Seconds: j.DurationSeconds, Attempts: j.AttemptCount, Ended: true,
	}
	switch {
	case j.Status == ledger.Failed:
		one.Why = visible.Line(visible.FirstLine(j.Cause().Reason()))
	case j.FailedDependency != "":
		one.Why = "built on " + visible.Line(j.FailedDependency) + ", which failed"
	case j.SkipReason != nil:
		one.Why = strings.ReplaceAll(*j.SkipReason, "_", " ")
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
