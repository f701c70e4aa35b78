package run

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/every"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plan"
)

// surveying is what a survey has come to.
type surveying struct {
	mu      sync.Mutex
	tasks   []*task // in the order of their numbers
	answers map[*task]answer
}

// ask asks the builder about all jobs, those first that are still to be built, but for
// those of them that name another job's image: what that will be is not known
// yet. The graphs go into what the run needs as they come: a hundred thousand of them,
// each for itself, take gigabytes.
func (r *run) ask(ctx context.Context, tasks []*task) *surveying {
	s := &surveying{tasks: tasks, answers: make(map[*task]answer, len(tasks))}
	if r.Graphs == nil {
		return s
	}
	var jobs []*plan.Job
	of := make(map[*plan.Job]*task, len(tasks))
	for _, done := range []bool{false, true} {
		for _, t := range tasks {
			if t.done() == done && (done || len(t.images) == 0) {
				jobs = append(jobs, t.job)
				of[t.job] = t
			}
		}
	}
	stop := every.Interval(surveyInterval, func() {
		r.Journal.Tell(journal.Surveying{Jobs: len(jobs), Known: s.known()})
		r.sendAhead(ctx, s)
	})
	watch := every.Interval(silentInterval, func() { r.anySilent(ctx) })
	err := r.askNodes(ctx, jobs, func(job *plan.Job, g graph.Graph, err error) {
		a := r.answerOf(job, g, err)
		r.steps.Take(job.Source.Name(), g, job.Proved.AsWritten)
		s.mu.Lock()
		defer s.mu.Unlock()
		t := of[job]
		r.needs.Learn(t.number, g)
		s.answers[t] = a
	})
	watch()
	stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		for _, t := range of {
			if _, known := s.answers[t]; !known {
				s.answers[t] = answer{err: redacted(r.Redact, err)}
			}
		}
	}
	return s
}

// known counts the jobs of which it is known what they do, or that they cannot be built.
func (s *surveying) known() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.answers {
		if a.isKnown() {
			n++
		}
	}
	return n
}

// askNodes asks the builder what jobs do. Where the node that is asked stands still, it is
// lost, and another is asked about the rest.
func (r *run) askNodes(ctx context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) error {
	for vain := 0; ; {
		rest, silent, err := r.askNode(ctx, jobs, found)
		if len(rest) == len(jobs) {
			vain++
		}
		stands, is := errors.AsType[*builder.SilentError](err)
		if is {
			r.loseSilent(ctx, stands)
		}
		switch {
		case len(rest) == 0:
			return nil
		case ctx.Err() != nil, err != nil && !is, is && vain >= r.nodes(), vain > r.nodes():
			return cmp.Or(err, silent)
		}
		jobs = rest
	}
}

// askNode asks one node, and returns the jobs of which it did not tell. silent is why it
// did not where it answered to the end.
func (r *run) askNode(ctx context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) (rest []*plan.Job, silent, err error) {
	var mu sync.Mutex
	told := map[*plan.Job]bool{}
	err = r.Graphs.Graphs(ctx, jobs, func(job *plan.Job, g graph.Graph, err error) {
		mu.Lock()
		if errors.As(err, new(*builder.SilentError)) {
			silent = err
			mu.Unlock()
			return
		}
		told[job] = true
		mu.Unlock()
		found(job, g, err)
	})
	return slices.DeleteFunc(slices.Clone(jobs), func(job *plan.Job) bool { return told[job] }), silent, err
}

// loseSilent has a node lost that stood still while it was asked.
func (r *run) loseSilent(ctx context.Context, silent *builder.SilentError) {
	if r.Ledger == nil || ctx.Err() != nil {
		return
	}
	r.scheduler.call(func() {
		for _, p := range r.scheduler.places {
			if p.node.Name() == silent.Node {
				p.node.NoteSilence()
				r.scheduler.lose(ctx, p, nil, silent, false)
			}
		}
	})
}

// anySilent has it told of nodes that do not answer while the builder is asked, but for
// those that are lost.
func (r *run) anySilent(ctx context.Context) {
	var places []*place
	r.scheduler.call(func() {
		places = slices.DeleteFunc(slices.Clone(r.scheduler.places), func(p *place) bool { return p.lost })
	})
	for _, p := range places {
		p.node.IsSilent(ctx, node.ForSurvey)
	}
}
