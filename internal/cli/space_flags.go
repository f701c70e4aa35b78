package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/run"
)

// spaceOptions bound what a run may use.
type spaceOptions struct {
	order     string
	budget    sizeFlag
	diskPath  string
	high, low float64
	wait      time.Duration
	preflight sizeFlag
	jobSize   sizeFlag
}

func (o *spaceOptions) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.order, "order", string(run.OrderShared), "order of the jobs: shared (shared layers are needed for the shortest time) or given")
	f.Var(&o.budget, "cache-budget", "`SIZE` that the builder's cache may take (default what the disk allows)")
	f.StringVar(&o.diskPath, "disk-path", "", "`PATH` on the disk that holds the builder's cache (default found for private and local builders)")
	f.Float64Var(&o.high, "disk-high", 92, "`PERCENT` of the disk that no job's start may bring its use above")
	f.Float64Var(&o.low, "disk-low", 80, "`PERCENT` of the disk, or of --cache-budget, above which --prune auto removes what is dead")
	f.DurationVar(&o.wait, "space-wait", 30*time.Minute, "how long to wait for space that others took")
	f.Var(&o.preflight, "preflight-free", "`SIZE` that must be free at the start; with --prune-foreign it is made free")
	f.Var(&o.jobSize, "job-size", "`SIZE` that a job adds to the cache beside its base layers (default learned)")
}

func (o spaceOptions) check() error {
	switch {
	case !oneOf(o.order, run.OrderShared, run.OrderGiven):
		return &flagError{fmt.Errorf("--order %q: use shared or given", o.order)}
	case !(o.low > 0 && o.low <= o.high && o.high <= 100): // so that NaN is none, either
		return &flagError{fmt.Errorf("--disk-low %v and --disk-high %v: they must be percentages, the low one not above the high one", o.low, o.high)}
	case o.budget.bytes > 0 && o.budget.bytes < leastBudget:
		return &flagError{fmt.Errorf("--cache-budget %s: no image fits into that; give a unit, as in 20GB", &o.budget)}
	case o.wait < 0:
		return &flagError{fmt.Errorf("--space-wait %s: it cannot be negative", o.wait)}
	}
	if o.diskPath != "" {
		if _, err := os.Stat(o.diskPath); err != nil {
			return &flagError{fmt.Errorf("--disk-path: %w", err)}
		}
	}
	return nil
}

// leastBudget is less than any image takes.
const leastBudget = 1 << 20

func (o spaceOptions) options() node.SpaceOptions {
	s := node.SpaceOptions{Budget: o.budget.bytes, DiskPath: o.diskPath, High: o.high, Low: o.low, Wait: o.wait, PreflightFree: o.preflight.bytes}
	s.Rates.Own = o.jobSize.bytes
	return s
}
