package cache

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/layers"
)

// View is all that a verdict on a builder's records depends on.
type View struct {
	Records []Record
	Needs   *Needs
	// Steps tells whether the plan's builds are known to make records with this
	// description. Nil: no step is known.
	Steps func(description string) bool
	// Before has the ids of the records that were there when the run began.
	Before map[string]struct{}
	// Exclusive says that nobody else uses this builder, so that all records
	// that are not in Before are the run's.
	Exclusive bool
	// Explain returns the chain of a digest that is in a record's name but not
	// in the plan. It may be nil; it is called once for each digest.
	Explain func(digest.Digest) (layers.Chain, bool)
}

// Verdict is what one record is to the plan, and why.
type Verdict struct {
	State  State
	Reason Reason
	// Job is the ID of an unfinished job that needs a live record, or of the
	// last job that a dead one was of; NoJob where there is none to name.
	Job int
	// Key is that of the layer that the record is, where its chain is known; the
	// layer's place in the chain is Depth. Depth is -1 for every other record.
	Key   layers.Key
	Depth int
}

// Classify judges all records of v. Equal views give equal reports. It may be
// called by several goroutines, and takes time in proportion to the records,
// not to the jobs.
//
//   - A pulled layer is of the plan when it is in the chain of a job. It is live
//     while one of those jobs is unfinished, and dead then.
//   - A step's result hangs on the nearest layers among its ancestors. It is of
//     the plan when a job's base images end with all these layers, and live
//     while such a job is unfinished. If it was there before the run, or others
//     use the builder, the plan must also have its step.
//   - A step's result that was there before the run is live, too, while the
//     chain of an unfinished job goes on above a layer that it hangs on: BuildKit
//     does not pull an image that it built itself, but takes the steps' results
//     for the image's layers, and they keep their descriptions (measured).
//   - What cannot be attributed but must be the run's is held until no job is
//     unfinished: content without a base (COPY --link, FROM scratch), and, on an
//     exclusive builder, everything new.
//   - Everything else is foreign.
//   - A dead record with a child that is not dead is kept.
func Classify(v View) *Report {
	v.Needs.mu.RLock()
	defer v.Needs.mu.RUnlock()
	g := newGraph(v.Records)
	c := &classifier{
		View:     v,
		lineages: newLineages(g, v),
		byLayer:  make([]*match, len(v.Needs.layers)),
		verdicts: make([]Verdict, len(v.Records)),
	}
	c.bySet = make([]*match, len(c.sets))
	for i := range v.Records {
		c.verdicts[i] = c.judge(i)
	}
	c.keepParents()
	return &Report{Records: v.Records, Verdicts: c.verdicts, lineages: c.lineages}
}

type classifier struct {
	View
	*lineages
	byLayer  []*match // what the plan says of a layer, once it was asked
	bySet    []*match // and of the records that hang on a set of layers
	verdicts []Verdict
}

// match is what the plan says of a layer or of a lineage; NoJob for none.
type match struct {
	keeper int // an unfinished job that it is of
	inner  int // an unfinished job whose chain goes on above it
	last   int // the job that finished last of those that it is of
}

// judge gives the record's verdict for itself, without its children.
func (c *classifier) judge(i int) Verdict {
	v := Verdict{Job: NoJob, Depth: -1}
	if c.chain[i] != nil {
		v.Key, v.Depth = c.chain[i].Key(c.depth[i]), c.depth[i]
	}
	switch {
	case c.broken[i]:
		v.Reason = Unreadable
	case c.layer[i] >= 0:
		c.decide(&v, c.ofLayer(c.layer[i]))
	case !isRegular(&c.records[i]), c.hangs[i] == other:
		c.hold(&v, c.isNew(i) && c.Exclusive)
	case c.hangs[i] == none:
		c.hold(&v, c.isNew(i) && (c.Exclusive || c.isStep(i)))
	default:
		c.judgeStep(&v, i)
	}
	return v
}

// judgeStep judges what hangs on layers of the plan.
func (c *classifier) judgeStep(v *Verdict, i int) {
	mine := c.isNew(i) && c.Exclusive
	if !mine && !c.isStep(i) {
		v.Reason = OtherStep
		return
	}
	m := *c.ofSet(c.hangs[i])
	if m.keeper == NoJob && !c.isNew(i) {
		m.keeper = m.inner
	}
	if m.keeper == NoJob && m.last == NoJob {
		c.hold(v, mine)
		return
	}
	c.decide(v, &m)
}

// decide makes live what has a keeper, and dead what has none.
func (c *classifier) decide(v *Verdict, m *match) {
	if m.keeper != NoJob {
		v.State, v.Reason, v.Job = Live, Needed, c.Needs.jobs[m.keeper].ID
		return
	}
	v.State, v.Reason, v.Job = Dead, Finished, c.Needs.jobs[m.last].ID
}

// hold holds what is the run's until no job is unfinished, opaque ones included.
func (c *classifier) hold(v *Verdict, mine bool) {
	switch {
	case !mine:
		v.State, v.Reason = Foreign, NotOfPlan
	case c.Needs.open > 0:
		v.State, v.Reason = Live, Held
	default:
		v.State, v.Reason = Dead, RunOver
	}
}

func (c *classifier) isNew(i int) bool {
	_, was := c.Before[c.records[i].ID]
	return !was
}

func (c *classifier) isStep(i int) bool {
	return c.Steps != nil && c.Steps(c.records[i].Description)
}

func (c *classifier) ofLayer(layer int) *match {
	if c.byLayer[layer] == nil {
		m := c.among(c.Needs.layers[layer].holds)
		c.byLayer[layer] = &m
	}
	return c.byLayer[layer]
}

func (c *classifier) ofSet(set int) *match {
	if c.bySet[set] == nil {
		tops := c.sets[set]
		m := c.among(c.shapesOn(tops))
		for _, l := range tops {
			if m.inner == NoJob {
				m.inner = c.among(c.Needs.layers[l].inner).keeper
			}
		}
		c.bySet[set] = &m
	}
	return c.bySet[set]
}

// among finds the keeper and the last job of shapes.
func (c *classifier) among(shapes []int) match {
	m := match{NoJob, NoJob, NoJob}
	latest := 0
	for _, s := range shapes {
		if c.Needs.shapes[s].open > 0 {
			m.keeper = c.Needs.first(s)
			return m
		}
		if job, clock := c.Needs.last(s); clock > latest {
			m.last, latest = job, clock
		}
	}
	return m
}

// shapesOn returns the shapes that have all of tops among the topmost layers of
// their base images. It starts from the layer that the fewest have.
func (c *classifier) shapesOn(tops []int) []int {
	rarest := slices.MinFunc(tops, func(a, b int) int {
		return len(c.Needs.layers[a].tops) - len(c.Needs.layers[b].tops)
	})
	list := c.Needs.layers[rarest].tops
	if len(tops) == 1 {
		return list
	}
	var on []int
	for _, s := range list {
		if containsAll(c.Needs.shapes[s].tops, tops) {
			on = append(on, s)
		}
	}
	return on
}

// containsAll tells whether the sorted list has all of the few numbers.
func containsAll(list, numbers []int) bool {
	for _, n := range numbers {
		if _, ok := slices.BinarySearch(list, n); !ok {
			return false
		}
	}
	return true
}

// keepParents takes the dead records back that have a child which is not dead,
// from the leaves down.
func (c *classifier) keepParents() {
	for _, i := range slices.Backward(c.order) {
		if c.verdicts[i].State != Dead {
			continue
		}
		if child := c.keptBy(i); child >= 0 {
			v, by := &c.verdicts[i], c.verdicts[child]
			v.State, v.Reason, v.Job = by.State, KeptByChild, by.Job
		}
	}
}

// keptBy returns a child that is not dead, a live one rather than a foreign one,
// or -1.
func (c *classifier) keptBy(i int) int {
	found := -1
	for _, child := range c.children[i] {
		switch c.verdicts[child].State {
		case Live:
			return child
		case Foreign:
			found = child
		}
	}
	return found
}
