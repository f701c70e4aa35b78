package cli

import (
	"os"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/show"
)

// viewOptions are what the view of a run is told of it.
func (o buildOptions) viewOptions(p *plan.Plan, planned []ledger.PlanJob, kept []ledger.Entry, streams Streams) show.Options {
	return show.Options{
		Results: streams.Out, Pushed: pushed(p), Kept: kept,
		Jobs: show.Expect(planned, kept), Keys: o.keys(streams),
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
