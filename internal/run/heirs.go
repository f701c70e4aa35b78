package run

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// An heir is a job that is built on another job's image or, by a link, on its result. What
// one that names the image does is not known before that is there. The builder does not pull what it has made itself, so what the
// other has made is kept until it is known what of it the heir needs.

// family is how a task is related to others.
type family struct {
	// planned is the job as the plan has it: in what is built, images of a registry may
	// be in the place of links.
	planned *plan.Job
	after   []*task // on what they make it is built
	images  []*task // of these, those whose images it names: before they are there nothing can be asked of it
	// holds are, of these, those that keep what they needed until it is known what of it
	// this task needs.
	holds  []*task
	heirs  []*task // that are built on what it makes
	made   bool    // this run has made its image, perhaps before it was resumed
	byLink bool    // it would fail only for what it is built on
	// failed is the one that has failed on which it would have been built, at last; nil
	// for none.
	failed *task
}

// inheritTimeout bounds how long the builder is asked about the heirs of one job, which
// has its worker meanwhile.
const inheritTimeout = 30 * time.Second

// bequeath notes who is whose heir.
func (r *run) bequeath(tasks []*task) {
	for _, t := range tasks {
		if len(t.after) > 0 {
			r.needs.BuiltOn(t.number, numbers(t.after))
		}
		if t.done() || t.early != nil {
			continue
		}
		t.holds = slices.Clone(t.images)
		for _, maker := range t.after {
			maker.heirs = append(maker.heirs, t)
		}
	}
}

func numbers(tasks []*task) (numbers []int) {
	for _, t := range tasks {
		numbers = append(numbers, t.number)
	}
	return numbers
}

// inherits tells whether a task is built on what others make, and all of that is there.
func (t *task) inherits() bool {
	missing := func(maker *task) bool {
		return !maker.made && maker.ended != ledger.Built && maker.ended != ledger.Skipped
	}
	return len(t.after) > 0 && !slices.ContainsFunc(t.after, missing)
}

// bequest notes whether a task's image has been made, and returns the heirs that waited
// for it alone.
func (s *scheduler) bequest(t *task, made bool) (heirs []*task) {
	t.made = made
	for _, heir := range t.heirs {
		if !made || !heir.isOpen() {
			continue
		}
		s.run.buildOnImage(heir, t)
		if heir.inherits() {
			heirs = append(heirs, heir)
		}
	}
	return heirs
}

// inherit asks the builder what heirs do, whose images have just been made, and has what
// they need of that be kept for them. What it does not tell is learned when they are built.
func (r *run) inherit(ctx context.Context, heirs []*task) {
	heirs = slices.DeleteFunc(slices.Clone(heirs), func(t *task) bool { return len(t.images) == 0 })
	if len(heirs) == 0 || r.Graphs == nil || ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, inheritTimeout, errors.New("the builder did not answer in time"))
	defer cancel()
	jobs, of := make([]*plan.Job, len(heirs)), map[*plan.Job]*task{}
	for i, t := range heirs {
		jobs[i], of[t.job] = t.job, t
	}
	var mu sync.Mutex
	graphs, answers := map[*task]graph.Graph{}, map[*task]answer{}
	err := r.Graphs.Graphs(ctx, jobs, func(job *plan.Job, g graph.Graph, err error) {
		mu.Lock()
		defer mu.Unlock()
		graphs[of[job]], answers[of[job]] = g, r.answerOf(job, g, err)
	})
	if err != nil {
		return
	}
	r.scheduler.call(func() {
		for t, a := range answers {
			t.take(a)
		}
		r.findAssemblies(heirs)
	})
	for t, a := range answers {
		if r.Ledger != nil {
			r.registries.throttledInSurvey(ctx, t, a.err)
		}
		if a.known {
			r.learnGraph(t, graphs[t])
		}
	}
	r.sizeLayers(ctx, heirs)
	r.scheduler.call(func() { r.know(heirs) }) // a node may have come late
}

// inherited has the images of others, on which a task is built, be what those have made,
// and returns those of whom it is known now what the task needs. It is for the scheduler's loop.
func (r *run) inherited(t *task, g graph.Graph) (known []*task) {
	for _, maker := range t.holds {
		reads := slices.DeleteFunc(slices.Clone(g.Images), func(image graph.Image) bool { return r.makers[imageref.WithoutDigest(image.Ref)] != maker })
		foreign := func(image graph.Image) bool {
			return image.Digest != maker.result.build.Digest || !r.needs.Inherit(maker.number, image.Layers)
		}
		if maker.made && !slices.ContainsFunc(reads, foreign) {
			known = append(known, maker)
		}
	}
	return known
}

// settleHeir has some tasks not keep what they needed for an heir any more.
func (r *run) settleHeir(t *task, known []*task) {
	if len(known) == 0 {
		return
	}
	r.scheduler.call(func() {
		t.holds = slices.DeleteFunc(slices.Clone(t.holds), func(maker *task) bool { return slices.Contains(known, maker) })
		for _, maker := range known {
			r.scheduler.finishNeeds(maker)
		}
	})
}

// giveUp gives up what a task needed that is on record, and what others kept for it.
func (s *scheduler) giveUp(t *task) {
	held := t.holds
	t.holds = nil
	for _, maker := range append(slices.Clone(held), t) {
		s.finishNeeds(maker)
	}
}

// finishNeeds gives up what a task needed that is on record, unless an heir may need it.
func (s *scheduler) finishNeeds(t *task) {
	needed := func(heir *task) bool { return slices.Contains(heir.holds, t) }
	if t.done() && !(t.made && slices.ContainsFunc(t.heirs, needed)) {
		s.run.needs.Finish(t.number)
	}
}

// follow has heirs be built where their base was, which others would have to pull.
func (s *scheduler) follow(t *task, heirs []*task) {
	if len(t.on) > 1 {
		return
	}
	for _, heir := range heirs {
		if home := t.on[0]; slices.Contains(s.queue, heir) && !home.lost && home.canAll(s.platformsOf(heir)) {
			s.settle(home, heir)
		}
	}
	for _, p := range s.places {
		if p.admitting && len(heirs) > 0 && !p.head.inherits() {
			p.giveWay(errGivesWay)
		}
	}
}

// errGivesWay is why no space is looked for any more for a job that is built later.
var errGivesWay = errors.New("an heir goes first")

// yield has the next job of a node, which waits for space, let an heir go first whose base
// is there: that is kept until the heir is built.
func (s *scheduler) yield(p *place) {
	isReady := func(t *task) bool {
		return t.inherits() && (t.home == nil || t.home == p) && len(s.placesFor(t, p)) > 0 && s.pause(t) <= 0
	}
	i := slices.IndexFunc(s.queue, isReady)
	if i < 0 || p.head.inherits() {
		return
	}
	heir := s.queue[i]
	s.queue = slices.Insert(slices.Delete(s.queue, i, i+1), 0, p.head)
	p.head.on = nil
	heir.on = s.placesFor(heir, p)
	s.settle(p, heir)
	p.head, p.again = heir, time.Time{}
}
