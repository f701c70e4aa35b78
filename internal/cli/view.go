package cli

import (
	"os"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/show"
)

// viewOptions are what the view of a run is told of it.
func (o buildOptions) viewOptions(p *plan.Plan, kept []ledger.Entry, took ledger.LearnedJobs, streams Streams) show.Options {
	return show.Options{
		Results: streams.Out, Pushed: pushed(p), Kept: kept,
		Jobs: expected(p, kept, took), Keys: o.keys(streams),
	}
}

// keys is the terminal on which somebody may press keys; nil where there is none, or where the run
// reads its input from there.
func (o buildOptions) keys(streams Streams) *os.File {
	if in, is := streams.In.(*os.File); is && show.IsTerminal(in) && !readsStdin(o.flags) {
		return in
	}
	return nil
}

// expected is what is known of a plan's jobs but for those that an earlier run has finished.
func expected(p *plan.Plan, kept []ledger.Entry, took ledger.LearnedJobs) []show.Expected {
	done := map[string]bool{}
	for _, e := range kept {
		done[e.Name] = true
	}
	var jobs []show.Expected
	for _, j := range p.Jobs {
		if !done[j.Name] {
			jobs = append(jobs, show.Expected{Name: j.Name, Kind: j.Kind, Base: j.Base, Seconds: took[j.Name]})
		}
	}
	return jobs
}
