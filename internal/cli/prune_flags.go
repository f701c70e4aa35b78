package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/sweep"
)

// pruneOptions say how the cache is swept.
type pruneOptions struct {
	policy    string
	by        string
	pause     time.Duration
	timeout   time.Duration
	threshold float64
	keep      sizeFlag
	foreign   bool
	exclusive bool
}

func (o *pruneOptions) addTo(f *pflag.FlagSet) {
	o.keep = sizeFlag{60e9, "60GB"}
	f.StringVar(&o.policy, "prune", string(node.PruneAuto), "when to sweep: auto (above the low watermark, the least useful first), completed (after each batch, all that no later image needs) or off")
	f.StringVar(&o.by, "prune-by", string(sweep.ByLineage), "how a sweep finds what it removes: lineage (exactly the dead records) or description (what is named after a batch's base images, one batch later: next to nothing)")
	f.DurationVar(&o.pause, "prune-pause", 250*time.Millisecond, "how long one delete call of a sweep may make builds wait")
	f.DurationVar(&o.timeout, "prune-timeout", 5*time.Minute, "bound on one sweep; what is left goes to the next")
	f.Float64Var(&o.threshold, "prune-threshold", 60, "`PERCENT` of the builder's disk above which, after a batch, the cache is trimmed to --keep-storage")
	f.Var(&o.keep, "keep-storage", "`SIZE` of the cache that trimming keeps")
	f.BoolVar(&o.exclusive, "exclusive", false, "nobody else uses this builder (as is so of a private one): what earlier runs left may be removed for space")
	f.BoolVar(&o.foreign, "prune-foreign", false, "where space is short, remove records that are not of this plan too, the least recently used first")
}

func (o pruneOptions) check() error {
	switch {
	case !oneOf(o.policy, node.PruneAuto, node.PruneCompleted, node.PruneOff):
		return &flagError{fmt.Errorf("--prune %q: use auto, completed or off", o.policy)}
	case !oneOf(o.by, sweep.ByLineage, sweep.ByDescription):
		return &flagError{fmt.Errorf("--prune-by %q: use lineage or description", o.by)}
	case o.pause <= 0:
		return &flagError{fmt.Errorf("--prune-pause %s: it must be more than 0", o.pause)}
	case o.timeout <= 0:
		return &flagError{fmt.Errorf("--prune-timeout %s: it must be more than 0", o.timeout)}
	case !(o.threshold >= 0 && o.threshold <= 100): // so that NaN is none, either
		return &flagError{fmt.Errorf("--prune-threshold %v: it is a percentage, from 0 to 100", o.threshold)}
	}
	return nil
}

func (o pruneOptions) options() node.PruneOptions {
	return node.PruneOptions{
		Policy: node.PrunePolicy(o.policy), By: sweep.By(o.by),
		Pause: o.pause, Timeout: o.timeout, Threshold: o.threshold, KeepBytes: o.keep.bytes, Foreign: o.foreign,
	}
}

// owner says whose the builder's records are.
func (o pruneOptions) owner(b *builder.Builder) cache.Ownership {
	if o.exclusive || b.Exclusive() {
		return cache.Exclusive
	}
	return cache.Shared
}

func oneOf[T ~string](s string, known ...T) bool {
	for _, k := range known {
		if s == string(k) {
			return true
		}
	}
	return false
}

// sizeFlag is a number of bytes, and how it was typed.
type sizeFlag struct {
	bytes int64
	text  string
}

func (s *sizeFlag) Set(text string) error {
	n, err := bytesize.Parse(text)
	if err != nil {
		return err
	}
	*s = sizeFlag{n, text}
	return nil
}

// String is empty for no size: the help texts say what that means.
func (s *sizeFlag) String() string { return s.text }

func (s *sizeFlag) Type() string { return "size" }
