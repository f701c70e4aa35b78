package show

import (
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
)

func sweptSummary() ledger.Summary {
	return ledger.Summary{
		Total: 500, Built: 500, WallClockSeconds: 3720, ImagesPerHour: 481, MedianSeconds: 55, MaxSeconds: 252,
		Prune: &ledger.Prune{Policy: "auto", Sweeps: 95, RemovingSweeps: 41, ReclaimedRecords: 900, ReclaimedBytes: 14 * giga,
			Left: &ledger.Left{LeftRecords: 5, LeftBytes: 400 * mega}, LiveRemovedRecords: 3,
			Failures: []string{"node-a: timeout", "node-a: deleting 4 records:\n\x1b[2Jconnection refused"}},
		Cache: &ledger.Cache{PeakBytes: 1200 * mega},
		Space: &ledger.Space{Bound: "the disk of /var/lib\x1b[2J/stoker", HighBytes: 1440 * mega, ForecastPeakBytes: 1280 * mega, PeakBytes: 1310 * mega, OtherBytes: 90 * mega},
	}
}

func TestFinalTextTellsOfSpace(t *testing.T) {
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"wide", 100, `done: 500 of 500 images built in 1h02m
  481 images/h, median build 55s, longest 4m12s
  cache: 1.2GB at its peak, 14GB reclaimed in 41 of 95 sweeps
  the disk of /var/lib/stoker: peak 1.31GB, 90MB of it not the cache, forecast 1.28GB, limit 1.44GB
! 3 records removed that were not dead
! 2 sweeps failed, 400MB in 5 dead records left
    node-a: deleting 4 records: connection refused
results in stoker-out
`},
		{"narrow", 44, `done: 500 of 500 images built in 1h02m
  481 images/h, median build 55s,
  longest 4m12s
  cache: 1.2GB at its peak,
  14GB reclaimed in 41 of 95 sweeps
  the disk of /var/lib/stoker: peak 1.31GB,
  90MB of it not the cache, forecast 1.28GB,
  limit 1.44GB
! 3 records removed that were not dead
! 2 sweeps failed,
400MB in 5 dead records left
    node-a: deleting 4 r… connection refused
results in stoker-out
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FinalText(sweptSummary(), "stoker-out", test.width, false); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestFinalTextOfSweeps(t *testing.T) {
	const head = "done: nothing was left to build\n"
	cache := &ledger.Cache{PeakBytes: giga}
	left := func(policy string, failures ...string) *ledger.Prune {
		return &ledger.Prune{Policy: policy, Sweeps: 1, Left: &ledger.Left{LeftRecords: 1, LeftBytes: mega}, Failures: failures}
	}
	const swept = "  cache: 1GB at its peak\n"
	disk := func(peak int64, waited int) *ledger.Space {
		return &ledger.Space{Bound: "the disk", PeakBytes: peak, OtherBytes: peak - mega, HighBytes: 10 * giga, Waits: waited}
	}
	tests := []struct {
		name    string
		summary ledger.Summary
		want    string
	}{
		{"no sweeps", ledger.Summary{Prune: &ledger.Prune{}, Cache: cache}, swept},
		{"a cache that nobody saw", ledger.Summary{Prune: &ledger.Prune{}, Cache: &ledger.Cache{}}, ""},
		{"a disk that is far from full", ledger.Summary{Prune: left("auto"), Cache: cache, Space: disk(8*giga-1, 0)}, swept},
		{"a disk that is nearly full", ledger.Summary{Cache: cache, Space: disk(8*giga, 0)}, swept + "  the disk: peak 8GB, 7.999GB of it not the cache, limit 10GB\n"},
		{"a job waited", ledger.Summary{Cache: cache, Space: disk(giga, 1)}, swept + "  the disk: peak 1GB, 999MB of it not the cache, limit 10GB\n"},
		{"something was swept", ledger.Summary{Prune: &ledger.Prune{RemovingSweeps: 2, ReclaimedRecords: 1, ReclaimedBytes: mega}, Cache: cache, Space: disk(giga, 0)},
			"  cache: 1GB at its peak, 1MB reclaimed in 2 sweeps\n  the disk: peak 1GB, 999MB of it not the cache, limit 10GB\n"},
		{"auto leaves what there is space for", ledger.Summary{Prune: left("auto"), Cache: cache}, swept},
		{"completed leaves nothing", ledger.Summary{Prune: left("completed"), Cache: cache}, swept + "! 1MB in 1 dead record left\n"},
		{"failed", ledger.Summary{Prune: left("off", "no"), Cache: cache}, swept + "! 1 sweep failed, 1MB in 1 dead record left\n    no\n"},
		{"nobody saw what is left", ledger.Summary{Prune: &ledger.Prune{Policy: "completed", Sweeps: 1, Failures: []string{"no"}}, Cache: cache},
			swept + "! 1 sweep failed, how much dead cache is left is unknown\n    no\n"},
		{"no forecast", ledger.Summary{Space: &ledger.Space{Bound: "--cache-budget", PeakBytes: giga, HighBytes: giga}},
			"  --cache-budget: peak 1GB, limit 1GB\n"},
		{"a budget that sweeps kept", ledger.Summary{Prune: &ledger.Prune{RemovingSweeps: 1, ReclaimedRecords: 1, ReclaimedBytes: mega}, Cache: &ledger.Cache{PeakBytes: giga}, Space: &ledger.Space{Bound: "--cache-budget", PeakBytes: giga, HighBytes: 2 * giga}},
			"  cache: 1MB reclaimed in 1 sweep\n  --cache-budget: peak 1GB, limit 2GB\n"},
		{"space that nobody saw", ledger.Summary{Space: &ledger.Space{Bound: "--cache-budget", HighBytes: 2 * giga}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FinalText(test.summary, "", 0, false); got != head+test.want {
				t.Errorf("got\n%s\nwant\n%s", got, head+test.want)
			}
		})
	}
}
