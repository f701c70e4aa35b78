package run

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
)

// tally counts how often something was mended, from the journal alone.
type tally struct {
	told *journal.Subscription

	mu     sync.Mutex // guards the following
	mended map[string]int
	back   map[string]bool // nodes that were lost and have come back
}

func newTally(j *journal.Journal) *tally {
	t := &tally{back: map[string]bool{}}
	t.told = j.Subscribe(journal.Everything, func(_ time.Time, e journal.Event) { t.note(e) })
	return t
}

// note counts what mends. That a node is back is told to each job that waits for it, and
// counts once.
func (t *tally) note(e journal.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := e.(type) {
	case journal.BuilderLost:
		for node := range strings.FieldsSeq(e.Node) {
			delete(t.back, node)
		}
	case journal.Recovered:
		if e.Mending == journal.MendBuilder {
			if t.back[e.Node] {
				return
			}
			t.back[e.Node] = true
		}
		if t.mended == nil {
			t.mended = map[string]int{}
		}
		t.mended[string(e.Mending)]++
	}
}

// recoveries counts what was mended, by its way; nil for nothing. Nothing is counted
// after.
func (t *tally) recoveries() map[string]int {
	_ = t.told.Close(eventsPatience) // counting never takes that long
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mended
}

// finish sums the run up.
func (r *run) finish(ctx context.Context, t *tally) (ledger.Summary, error) {
	s := ledger.Summarize(r.Ledger.Entries(), len(r.Plan.Jobs), r.started, time.Now())
	s.TagsHashed = r.Plan.TagsHashed()
	s.Prune = &ledger.Prune{Policy: string(r.Prune.Policy), By: string(r.Prune.By)}
	if len(r.scheduler.places) > 0 {
		s.Cache, s.Prune.Left, s.PulledBytes = &ledger.Cache{EndBytes: new(int64)}, &ledger.Left{}, new(int64)
	}
	for _, p := range r.scheduler.places {
		p.node.Totals(&s)
	}
	s.Space = r.tightestOutcome()
	r.scheduler.sampleEnd()
	s.ForecastPullBytes = r.forecastPull()
	s.Pace = ledger.PaceOf(r.entries(), cmp.Or(s.PulledBytes, s.ForecastPullBytes))
	if len(r.scheduler.places) == 1 { // else the caches' peaks are added up
		onePeak(s.Space, s.Cache)
	}
	if s.Failed == 0 && s.Unfinished == 0 {
		gotAlong(s.Space)
	}
	s.Nodes, s.Recoveries = r.nodeSummaries(), t.recoveries()
	if cause := context.Cause(ctx); cause != nil {
		s.Interrupted = errors.Is(cause, ErrInterrupted)
		s.StopReason = cause.Error()
		if given := (*RegistriesError)(nil); errors.As(cause, &given) {
			s.ResumeAfter = &ledger.Time{Time: given.After}
		}
	}
	if r.Resume.Command != nil {
		command := r.Resume.Command() // more is known to be secret than at the start
		r.Ledger.ResumeBy(command)
		if s.Failed > 0 || s.Unfinished > 0 {
			s.ResumeCommand = command
		}
	}
	s.Steps = r.keepSteps()
	if r.Compressing != nil && ctx.Err() == nil {
		s.Compressing = r.Compressing(ctx, r.Plan.Jobs, r.entries())
	}
	if err := r.Ledger.LogsInPlace(); err != nil {
		r.warn("", "%s", err)
	}
	s, err := r.Ledger.Finish(s)
	r.Journal.Tell(journal.RunFinished{Summary: s, Gone: errors.As(err, new(*ledger.GoneError))})
	r.mu.Lock()
	defer r.mu.Unlock()
	return s, recordErrors(r.err, err)
}

// nodeSummaries are the parts of several nodes; nil where there is one.
func (r *run) nodeSummaries() (nodes []ledger.NodeSummary) {
	if len(r.Nodes)+len(r.Late) < 2 {
		return nil
	}
	built, came := map[string]int{}, map[string]bool{}
	for _, e := range r.entries() {
		if e.Status == ledger.Built {
			for name := range strings.FieldsSeq(e.Node) {
				built[name]++
			}
		}
	}
	for _, p := range r.scheduler.places {
		came[p.node.Name()] = true
		nodes = append(nodes, ledger.NodeSummary{Name: p.node.Name(), Built: built[p.node.Name()], Losses: r.accounts.losses[p.node.Name()], Lost: p.lost})
	}
	for _, l := range r.Late {
		if !came[l.Name()] {
			nodes = append(nodes, ledger.NodeSummary{Name: l.Name(), Losses: 1, Lost: true})
		}
	}
	return nodes
}

// tightestOutcome is what became of the space on the node that had the least left; nil
// where none is bounded.
func (r *run) tightestOutcome() (tightest *ledger.Space) {
	for i, p := range r.scheduler.places {
		var before node.Outlook
		if i < len(r.outlooks) {
			before = r.outlooks[i]
		}
		s := p.node.Outcome(context.Background(), before)
		if s != nil && (tightest == nil || s.HighBytes-s.PeakBytes < tightest.HighBytes-tightest.PeakBytes) {
			tightest = s
		}
	}
	return tightest
}

// forecastPull is the compressed bytes of the layers that the run needed, by its forecast; nil
// where it is of no job.
func (r *run) forecastPull() (bytes *int64) {
	for _, o := range r.outlooks {
		if o.Forecast.Jobs > 0 {
			bytes = bytesize.Sum(bytes, &o.Forecast.PullBytes)
		}
	}
	return bytes
}

// gotAlong has a run that built everything have needed no more at least than it took at
// most.
func gotAlong(s *ledger.Space) {
	if s != nil && s.PeakBytes > 0 && s.LeastBytes != nil {
		s.LeastBytes = new(min(*s.LeastBytes, s.PeakBytes))
	}
}

// onePeak has the peak of the cache be the same wherever it is told: where it is what is
// bounded, admission has looked at it, too.
func onePeak(s *ledger.Space, c *ledger.Cache) {
	if s == nil || c == nil || s.Bound != node.BudgetName {
		return
	}
	c.PeakBytes = s.PeakBytes
}
