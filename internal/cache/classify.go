package cache

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

// Ownership says whose records a builder has.
type Ownership uint8

// The ownerships.
const (
	// Shared: others use the builder, too. A record is the plan's where a build of
	// the run is known to have made it, now or in an earlier run.
	Shared Ownership = iota
	// Exclusive: nobody else uses the builder. All that is new is the run's, and
	// what the plan does not have is left over.
	Exclusive
	// Whole: all that stands on the plan's base images counts as the plan's, and of steps
	// what builds of Stoker's are known to have made.
	Whole
)

// View is all that a verdict on a builder's records depends on.
type View struct {
	Records []Record
	Needs   *Needs
	// Node is the number of the node that the records are of, as Needs counts them.
	Node int
	// Memory is what is known of how records were made; nil for nothing. A
	// Classify adds to it what it finds out.
	Memory *Memory
	// Before has the ids of the records that were there when the run began.
	Before map[string]struct{}
	// Owner says whose the records are.
	Owner Ownership
	// Imports says that builds of the plan import cache, which shows as records
	// that no step was done for.
	Imports bool
	// Explain returns the layers of a digest that is in a record's name but not
	// in the plan. It may be nil.
	Explain func(digest.Digest) ([]graph.ID, bool)
}

// Verdict is what one record is to the plan, and why.
type Verdict struct {
	State  State
	Reason Reason
	// Job is the number of an unfinished job that needs a live record, or of the
	// last job that a dead one was of; NoJob where there is none to name.
	Job int
	// Layer says that it is a layer of a base image.
	Layer bool
}

// Classify judges all records of v. Equal views give equal reports. It may be
// called by several goroutines, and takes time in proportion to the records,
// not to the jobs.
//
//   - A record is matched to the vertices of the plan that it may be the result
//     of: a pulled layer by the image that it is named after and its place in it,
//     a step's result by what it stands on, its description and, among those, the
//     moment of its making. What was found out for sure is remembered.
//   - It is live while an unfinished job has one of these vertices, and dead then.
//   - On a builder that others use, a record from before the run is the plan's
//     only where it is remembered or an earlier run was at its making, a layer only where it is named after an image of
//     the plan, and a step's result only where a build of the run was seen to make
//     it. Everything else is foreign.
//   - On an exclusive builder, what is new and cannot be matched is held until no
//     job is unfinished, and what is older is left over.
//   - What is remembered as a step's result that the plan does not have is left over
//     there, however it looks, and no build's to find elsewhere.
//   - A dead record with a child that is not dead is kept.
func Classify(v View) *Report {
	v.Needs.mu.RLock()
	defer v.Needs.mu.RUnlock()
	c := &classifier{
		attribution: attribute(newLineage(v.Records), v),
		verdicts:    make([]Verdict, len(v.Records)),
		lasts:       map[int32]lastJob{},
	}
	for i := range v.Records {
		c.verdicts[i] = c.judge(i)
	}
	c.learn()
	c.keepParents()
	return &Report{Records: v.Records, Verdicts: c.verdicts, attribution: c.attribution}
}

type classifier struct {
	*attribution
	verdicts []Verdict
	lasts    map[int32]lastJob
}

type lastJob struct{ job, clock int }

// judge gives the record's verdict for itself, without its children.
func (c *classifier) judge(i int) Verdict {
	r := &c.records[i]
	v := Verdict{Job: NoJob}
	switch {
	case c.broken[i]:
		v.Reason = Unreadable
	case r.Kind == KindCacheMount:
		v.Reason = Mount
	case strings.HasPrefix(r.Description, AskedAbout) && c.Owner != Whole: // it hangs on no image
		v.State, v.Reason = Dead, Finished
	case c.former[i] && c.Owner == Exclusive:
		v.State = LeftOver
	case len(c.of[i]) > 0:
		v.Layer = c.shared.Kind(c.of[i][0]) == graph.Layer || c.isLayer(i)
		c.decide(&v, i)
	case c.Owner != Exclusive:
	case !c.isNew(i) && (r.Kind != KindFrontend || c.Needs.left == 0): // jobs may need a frontend that an earlier run pulled, or this one to plan
		v.State = LeftOver
	case c.Needs.left > 0:
		v.State, v.Reason = Live, Held
	default:
		v.State, v.Reason = Dead, RunOver
	}
	return v
}

// decide judges what is matched to vertices.
func (c *classifier) decide(v *Verdict, i int) {
	if !c.ours(i, v.Layer) {
		v.Reason = OtherBuild
		return
	}
	latest := 0
	v.State, v.Reason = Dead, Finished
	for _, vertex := range c.of[i] {
		if job := c.Needs.first(vertex, c.Node); job != NoJob {
			v.State, v.Reason, v.Job = Live, Needed, job
			return
		}
		if last := c.last(vertex); last.clock > latest {
			v.Job, latest = last.job, last.clock
		}
	}
}

func (c *classifier) last(vertex int32) lastJob {
	known, ok := c.lasts[vertex]
	if !ok {
		known.job, known.clock = c.Needs.last(vertex)
		c.lasts[vertex] = known
	}
	return known
}

// ours tells whether a record that is matched to vertices is the plan's.
func (c *classifier) ours(i int, layer bool) bool {
	switch {
	case c.Owner == Whole:
		return c.isUponImage(i) || c.sure[i] && !c.former[i]
	case c.Owner != Shared, c.sure[i], c.own[i]:
		return true
	case layer && c.isPulledByRun(i):
		return true
	case !c.isNew(i), c.others[i]:
		return false
	}
	return c.isFetched(i) || c.Imports && c.isImported(i)
}

// isUponImage tells whether the record at i is of a layer, or hangs on one, as against one
// that may be what was linked.
func (c *classifier) isUponImage(i int) bool {
	return slices.ContainsFunc(c.of[i], func(v int32) bool { return c.shared.Kind(v) != graph.Step })
}

// isPulledByRun tells whether the record at i is a layer that the run has pulled for an
// image of the plan, or an earlier run that could not remember that.
func (c *classifier) isPulledByRun(i int) bool {
	return c.isLayer(i) && !c.others[i] && (c.isNew(i) || c.isPulledBefore(i))
}

// isFetched tells whether the record at i is what its description says, wherever it
// was fetched for: to plan, too.
func (c *classifier) isFetched(i int) bool {
	return c.shared.Kind(c.of[i][0]) == graph.Source && c.records[i].Kind != KindLocal
}

// isImported tells whether the record at i may have come from an imported cache. It
// is called so or, by what was imported, as the step that once made it, which was
// before this run made anything.
func (c *classifier) isImported(i int) bool {
	r := &c.records[i]
	return strings.HasPrefix(r.Description, imported) || c.began.IsZero() || r.CreatedAt.Before(c.began)
}

// learn remembers whose records these are that builds of the run made or pulled, and
// their vertices where these are sure.
func (c *classifier) learn() {
	if c.Memory == nil {
		return
	}
	c.Memory.mu.Lock()
	defer c.Memory.mu.Unlock()
	for i, by := range c.sources {
		if len(by) > 0 {
			c.Memory.cameFrom(c.records[i].ID, origin{by, c.records[i].Mutable})
		}
	}
	for _, gone := range c.fromBefore {
		c.Memory.cameFrom(gone.id, gone.origin)
	}
	c.Memory.forget(c.records)
	for i := range c.records {
		if c.lost[i] {
			c.Memory.lost[c.records[i].ID] = true
		}
		id, pulled := c.records[i].ID, c.verdicts[i].Layer && c.isPulledByRun(i)
		switch {
		case len(c.of[i]) == 1 && (c.sure[i] || pulled && !c.placed[i]):
			c.Memory.found(id, c.shared.ID(c.of[i][0]))
		case pulled && !c.own[i]:
			c.Memory.found(id, graph.ID{})
		}
	}
}

// keepParents takes the dead and left-over records back that have a child which
// stays, from the leaves down.
func (c *classifier) keepParents() {
	for _, i := range slices.Backward(c.order) {
		v := &c.verdicts[i]
		if v.State != Dead && v.State != LeftOver {
			continue
		}
		if child := c.keptBy(i); child >= 0 {
			by := c.verdicts[child]
			v.State, v.Reason, v.Job = by.State, KeptByChild, by.Job
		}
	}
}

// keptBy returns a child that stays longer than the record at i, a live one
// rather than a foreign one and that rather than a left-over one, or -1.
func (c *classifier) keptBy(i int) int {
	found := -1
	for _, child := range c.children[i] {
		switch c.verdicts[child].State {
		case Live:
			return child
		case Foreign:
			found = child
		case LeftOver:
			if found < 0 && c.verdicts[i].State == Dead {
				found = child
			}
		}
	}
	return found
}
