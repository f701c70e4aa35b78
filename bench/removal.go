package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/sweep"
)

const (
	// singles are how many records go one by one: what even the smallest call costs a build.
	singles = 100
	// sliceSize is that of slices that do not adapt.
	sliceSize = 200
	// sweepPause and sweepTimeout are what stoker build has when it is told nothing else.
	sweepPause   = 250 * time.Millisecond
	sweepTimeout = 5 * time.Minute
)

// removal is one way to remove records.
type removal struct {
	name string
	line string
	ours bool
	// nothing says that nothing is removed.
	nothing bool
	// once says that one round is enough, since it takes minutes.
	once bool
	// remove removes the records of the ids and returns how long its longest call took.
	remove func(ctx context.Context, d *lab.Buildkitd, c *client.Client, ids []string) (time.Duration, error)
}

// removalsOf are all ways; idle is how long the one takes that removes nothing.
func removalsOf(idle time.Duration) []removal {
	return []removal{
		{name: "nothing is removed", line: "nothing", nothing: true, remove: wait(idle)},
		{name: "Stoker's sweeper", line: "what stoker build does in the background", ours: true, remove: sweeper},
		{name: fmt.Sprintf("exact ids, one a call, the first %d", singles), line: "for each id: buildctl prune --all --filter id==ID", remove: oneByOne},
		{name: fmt.Sprintf("exact ids, slices of %d", sliceSize), line: fmt.Sprintf("for each %d ids: buildctl prune --all --filter id==ID1 --filter id==ID2 ...", sliceSize), remove: slicesOfIDs},
		{name: "exact ids, one call", line: "buildctl prune --all --filter id==ID1 --filter id==ID2 ...", remove: allIDs},
		{name: "prune --all", line: "buildctl prune --all", remove: everything},
		{name: "one regular expression", line: `buildctl prune --all --filter 'id~="^(ID1|ID2|...)$"'`, once: true, remove: oneExpression},
	}
}

func wait(d time.Duration) func(context.Context, *lab.Buildkitd, *client.Client, []string) (time.Duration, error) {
	return func(ctx context.Context, _ *lab.Buildkitd, _ *client.Client, _ []string) (time.Duration, error) {
		select {
		case <-time.After(d):
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// sweeper removes the records as those of a plan that is over.
func sweeper(ctx context.Context, d *lab.Buildkitd, _ *client.Client, ids []string) (time.Duration, error) {
	var longest time.Duration
	err := onNode(ctx, d, func(node *builder.Node) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s := sweep.Start(ctx, sweep.Options{
			Node: node, By: sweep.ByLineage, Pause: sweepPause, Timeout: sweepTimeout,
			View: func(records []cache.Record) cache.View { return allDead(records, ids) },
			Busy: func() bool { return true },
		})
		s.Drain(ctx)
		counts := s.Counts()
		longest = counts.Longest
		if len(counts.Failures) > 0 {
			return errors.New(counts.Failures[0])
		}
		return ctx.Err()
	})
	return longest, err
}

// onNode does something with a daemon as Stoker sees it.
func onNode(ctx context.Context, d *lab.Buildkitd, do func(*builder.Node) error) error {
	b, err := builder.Connect(ctx, builder.Options{Names: []string{d.Addr()}, StateDir: d.Root()})
	if err != nil {
		return err
	}
	return errors.Join(do(b.Nodes()[0]), b.Close())
}

// allDead is the view of a plan that is over, and that made the records of the ids.
func allDead(records []cache.Record, ids []string) cache.View {
	return cache.View{Records: only(records, ids), Needs: cache.NewNeeds(nil), Owner: cache.Exclusive}
}

// only leaves out what the small builds add meanwhile.
func only(records []cache.Record, ids []string) []cache.Record {
	known := make(map[string]bool, len(ids))
	for _, id := range ids {
		known[id] = true
	}
	return slices.DeleteFunc(records, func(r cache.Record) bool { return !known[r.ID] })
}

// slicesOfIDs goes on from leaves to roots: a slice frees what the records of later slices need.
func slicesOfIDs(ctx context.Context, _ *lab.Buildkitd, c *client.Client, ids []string) (longest time.Duration, err error) {
	left := len(ids) + 1
	for len(ids) > 0 && len(ids) < left {
		left = len(ids)
		for slice := range slices.Chunk(ids, sliceSize) {
			took, err := prune(ctx, c, client.WithFilter(exactly(slice)))
			longest = max(longest, took)
			if err != nil {
				return longest, err
			}
		}
		now, err := recordIDs(ctx, c)
		if err != nil {
			return longest, err
		}
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(now, id) })
	}
	return longest, nil
}

// oneByOne removes records that are leaves by their turn, a call for each.
func oneByOne(ctx context.Context, d *lab.Buildkitd, c *client.Client, ids []string) (longest time.Duration, err error) {
	err = onNode(ctx, d, func(node *builder.Node) error {
		records, err := node.Records(ctx)
		if err != nil {
			return err
		}
		list := cache.Classify(allDead(records, ids)).Pick(cache.Policy{})
		for _, r := range list[:min(singles, len(list))] {
			took, err := prune(ctx, c, client.WithFilter(exactly([]string{r.ID})))
			longest = max(longest, took)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return longest, err
}

func allIDs(ctx context.Context, _ *lab.Buildkitd, c *client.Client, ids []string) (time.Duration, error) {
	return prune(ctx, c, client.WithFilter(exactly(ids)))
}

func everything(ctx context.Context, _ *lab.Buildkitd, c *client.Client, _ []string) (time.Duration, error) {
	return prune(ctx, c)
}

func oneExpression(ctx context.Context, _ *lab.Buildkitd, c *client.Client, ids []string) (time.Duration, error) {
	return prune(ctx, c, client.WithFilter([]string{expression(ids)}))
}

// exactly are the filters that match any of the ids.
func exactly(ids []string) []string {
	filters := make([]string, len(ids))
	for i, id := range ids {
		filters[i] = "id==" + id
	}
	return filters
}

// expression is one filter that matches any of the ids.
func expression(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = regexp.QuoteMeta(id)
	}
	return "id~=" + strconv.Quote("^("+strings.Join(quoted, "|")+")$")
}

// prune makes one call.
func prune(ctx context.Context, c *client.Client, opts ...client.PruneOption) (time.Duration, error) {
	start := time.Now()
	err := c.Prune(ctx, nil, append(opts, client.PruneAll)...)
	return time.Since(start), err
}
