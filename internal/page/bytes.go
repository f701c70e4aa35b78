package page

import (
	"fmt"
	"slices"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/report"
)

// amount is bytes of a kind, and where they are known from.
type amount struct{ Value, Name, Note string }

// unknown is said of what nobody has told.
const unknown = "unknown"

// Bytes are those that the runs moved, and those that they did not have to; nothing where all
// is unknown, or no job was built.
func (v view) Bytes() []amount {
	if r := v.Report; !v.follows() && r.Built+r.Failed == 0 {
		return nil // there was nothing to move
	}
	toPull, spared := pulls(v.Report, v.Runs)
	all := []amount{
		{toPull, "to pull", "compressed layers, by the forecast"},
		{sizeOf(v.Report.PulledBytes), "pulled", "compressed layers, as BuildKit told of them"},
		{spared, "not pulled again", "layers that several images share, by the forecast"},
		found(v.Steps),
		{unknown, "pushed", "BuildKit does not tell how much it sends"},
		{sizeOf(v.Report.ReclaimedBytes), "reclaimed", "of the cache, as BuildKit reported it"},
	}
	if !slices.ContainsFunc(all, func(a amount) bool { return a.Value != unknown }) {
		return nil
	}
	return all
}

// pulls are what is to be pulled, and what sharing spares of that.
func pulls(r report.Report, runs []Run) (toPull, spared string) {
	var pull, shared *int64
	for _, run := range runs {
		if run.Run == nil {
			continue
		}
		for _, f := range run.Forecasts {
			pull, shared = bytesize.Sum(pull, &f.PullBytes), bytesize.Sum(shared, &f.SharedBytes)
		}
	}
	if r.PullBytes != nil { // the sum of all runs, also of those without events
		pull = r.PullBytes
	}
	return sizeOf(pull), sizeOf(shared)
}

// found is what was in the cache already when a job came to it.
func found(steps []ledger.Step) amount {
	var bytes *int64
	times, told := 0, false
	for _, s := range steps {
		if s.StepForm == nil || s.Kind != ledger.StepRun {
			continue
		}
		times, told = times+s.Cached, true
		if s.Bytes != nil && s.Cached > 0 {
			bytes = bytesize.Sum(bytes, new(*s.Bytes*int64(s.Cached)))
		}
	}
	if told && times == 0 {
		bytes = new(int64(0))
	}
	a := amount{sizeOf(bytes), "not made again", "results of steps that jobs found in the cache"}
	if times > 0 {
		a.Note += fmt.Sprintf(", %s", plural.Of(times, "time"))
	}
	return a
}

// sizeOf is a size for people, as far as it is known.
func sizeOf(bytes *int64) string {
	if bytes == nil {
		return unknown
	}
	return size(float64(*bytes))
}
