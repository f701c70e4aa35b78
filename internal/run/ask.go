package run

import (
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
		s.mu.Lock()
		known := len(s.answers)
		s.mu.Unlock()
		r.Journal.Tell(journal.Surveying{Jobs: len(jobs), Known: known})
		r.sendAhead(ctx, s)
	})
	watch := every.Interval(silentInterval, func() { r.anySilent(ctx) })
	err := r.askNodes(ctx, jobs, func(job *plan.Job, g graph.Graph, err error) {
		a := r.answerOf(job, g, err)
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

// askNodes asks the builder what jobs do. Where the node that is asked stands still, another
// is asked about the rest.
func (r *run) askNodes(ctx context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) (err error) {
	isSilent := func(err error) bool { return errors.As(err, new(*builder.SilentError)) }
	for range max(len(r.Nodes), 1) {
		var mu sync.Mutex
		told := map[*plan.Job]bool{}
		err = r.Graphs.Graphs(ctx, jobs, func(job *plan.Job, g graph.Graph, err error) {
			if isSilent(err) {
				return
			}
			mu.Lock()
			told[job] = true
			mu.Unlock()
			found(job, g, err)
		})
		jobs = slices.DeleteFunc(slices.Clone(jobs), func(job *plan.Job) bool { return told[job] })
		if !isSilent(err) || len(jobs) == 0 {
			break
		}
	}
	return err
}

// anySilent has it told of nodes that do not answer while the builder is asked.
func (r *run) anySilent(ctx context.Context) {
	for _, p := range r.scheduler.places {
		p.node.IsSilent(ctx, node.ForSurvey)
	}
}
