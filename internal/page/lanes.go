package page

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timeline"
	"github.com/stoker-build/stoker/internal/visible"
)

// The measures of the workers' timeline, in its own units.
const (
	lanesWidth = 1000.0
	laneStep   = 22
	laneHeight = 16
	// narrow is how wide a bar must be to stand by itself.
	narrow = 0.6
	// mostLanes are drawn, and in parts only if there are no more than mostParted jobs.
	mostLanes  = 64
	mostParted = 2000
)

// lanes are the workers of a node, and what they did.
type lanes struct {
	Node   string
	Height int
	Jobs   []work
	// Sweeps are the sweeps of the node.
	Sweeps []bar
	// Times are those that stand below.
	Times []tick
	Note  string
}

// work is a job on its lane, or several that are too short to be seen each.
type work struct {
	Title string
	Bars  []bar
}

// end is where it ends.
func (w work) end() float64 { return w.Bars[len(w.Bars)-1].X + w.Bars[len(w.Bars)-1].W }

// bar is a piece of a lane.
type bar struct {
	X, Y, W float64
	Class   string
	Title   string
}

// tick is a moment that is named.
type tick struct {
	X    float64
	Text string
}

// lanesOf draws the workers of a node.
func lanesOf(r *timeline.Run, node string) lanes {
	scale := lanesWidth / max(r.Length().Seconds(), 0.001)
	at := func(t time.Time) float64 { return t.Sub(r.Began).Seconds() * scale }
	n := min(r.Lanes(node), mostLanes)
	l := lanes{Node: visible.Line(node), Height: n*laneStep + 24}
	if hidden := r.Lanes(node) - n; hidden > 0 {
		l.Note = fmt.Sprintf("%s are not shown.", plural.Of(hidden, "more worker"))
	}
	rows := make([][]work, n)
	for _, s := range r.Spans {
		if s.Node != node || s.Lane >= n {
			continue
		}
		from, to := at(s.From), at(r.Latest)
		if !s.To.IsZero() {
			to = at(s.To)
		}
		whole := bar{X: from, W: max(to-from, narrow/3), Y: float64(s.Lane * laneStep), Class: spanClass(s)}
		w := work{Title: spanText(s, r.Latest), Bars: []bar{whole}}
		if len(r.Spans) <= mostParted && s.Phases != nil && whole.Class == "built" {
			w.Bars = parts(*s.Phases, whole)
		}
		rows[s.Lane] = join(rows[s.Lane], w)
	}
	l.Jobs = slices.Concat(rows...)
	for _, s := range r.Sweeps {
		if s.Node == node && s.Bytes > 0 {
			to := cmp.Or(s.To, r.Latest)
			l.Sweeps = append(l.Sweeps, bar{
				X: at(s.From), W: max(at(to)-at(s.From), narrow), Y: float64(n * laneStep),
				Title: fmt.Sprintf("swept %s in %s", size(float64(s.Bytes)), duration(to.Sub(s.From).Seconds())),
			})
		}
	}
	for mark, apart := time.Duration(0), roundTime(r.Length()); mark <= r.Length(); mark += apart {
		l.Times = append(l.Times, tick{X: mark.Seconds() * scale / lanesWidth * 100, Text: clock(mark)})
	}
	return l
}

// join adds a job to those of its lane. Neighbours that are too narrow to be seen are one.
func join(lane []work, w work) []work {
	if len(lane) == 0 {
		return append(lane, w)
	}
	last := &lane[len(lane)-1]
	if w.end()-last.Bars[0].X >= narrow {
		return append(lane, w)
	}
	one := last.Bars[0]
	one.W = w.end() - one.X
	if w.Bars[0].Class == failedClass {
		one.Class = failedClass
	}
	last.Title, last.Bars = "several jobs", []bar{one}
	return lane
}

// phaseGroups are the phases that are told apart in drawings.
var phaseGroups = []struct {
	Class, Name string
	keys        []string
}{
	{"p-wait", "waiting", []string{"wait"}},
	{"p-pull", "resolving and pulling", []string{"resolve", "pull"}},
	{"p-context", "sending contexts", []string{"context"}},
	{"p-steps", "steps", []string{"steps"}},
	{"p-compress", "compressing", []string{"compress"}},
	{"p-push", "pushing", []string{"push"}},
	{"p-other", "everything else", []string{"check", "setup", "cache", "solve", "record", "post_build"}},
}

// part is a group of phases, and its seconds.
type part struct {
	Class, Name string
	Seconds     float64
}

// partsOf puts phases together, in the order in which a job goes through them.
func partsOf(each []ledger.Phase) (all []part) {
	for _, g := range phaseGroups {
		one := part{Class: g.Class, Name: g.Name}
		for _, phase := range each {
			if slices.Contains(g.keys, phase.Key) {
				one.Seconds += phase.Seconds
			}
		}
		if one.Seconds >= 0.05 { // else it would be told as 0.0
			all = append(all, one)
		}
	}
	return all
}

// failedClass is that of failed jobs in the style sheet.
const failedClass = "failed"

func spanClass(s timeline.Span) string {
	switch {
	case s.To.IsZero():
		return "running"
	case s.Status == ledger.Failed:
		return failedClass
	case s.Status == "":
		return "p-wait"
	}
	return "built"
}

// parts cuts a job's bar by its phases; those that are too narrow to be seen are left out.
func parts(p ledger.Phases, whole bar) (all []bar) {
	groups := partsOf(p.Each())
	total := secondsOf(groups)
	x := whole.X
	for _, g := range groups {
		b := whole
		b.X, b.W, b.Class = x, whole.W*g.Seconds/total, g.Class
		x += b.W
		if b.W >= narrow/3 {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return []bar{whole}
	}
	return all
}

// spanText says who had a worker for how long.
func spanText(s timeline.Span, now time.Time) string {
	end := string(s.Status)
	switch {
	case s.To.IsZero():
		end = "running"
	case s.Status == "":
		end = "back to the queue"
	}
	return fmt.Sprintf("%s: %s, %s", visible.Line(s.Job), visible.Line(end), duration(cmp.Or(s.To, now).Sub(s.From).Seconds()))
}
