package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/prune"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/sweep"
)

// pruneByHandOptions are the flags of stoker prune.
type pruneByHandOptions struct {
	images  imageOptions
	builder builderOptions
	dryRun  bool
	yes     bool
	pause   time.Duration
	timeout time.Duration
	format  string
}

func newPrune(streams Streams) *cobra.Command {
	var o pruneByHandOptions
	cmd := &cobra.Command{
		Use:   "prune --image REF|--images FILE|--run DIR [flags]",
		Short: "Remove the cache of given base images or of a run, nothing else",
		Long: `Remove from the cache what is of the given base images: their layers and the
steps that were built upon them. The plan is shown first, and nothing is removed
before it was agreed to, on the terminal or with --yes.

A layer that another image has too is kept, as long as anything of that image is
in the cache. So is what running builds use, and what hangs on no base image:
build contexts, cache mounts, content of COPY --link but for that of the run
that --run names. What the images are made of is asked of their registries.
Where a tag has moved or is gone, what the builder pulled under that tag before
counts too, as far as its layers are known.

A run counts as over: with --run, all its jobs' base images are given, whether
the jobs were built, skipped, failed or cut short. Images that the jobs only
copy from are no base images: name them with --image. What the run laid upon
its base images by COPY --link, or had linked by itself, goes too, as far as it
is on record and --state-dir remembers which records that is; no Dockerfile is
read.

--format json needs --dry-run or --yes and writes an object:
  dry_run                  whether nothing was to be removed
  nodes                    an object for each node:
    node                   its name or address
    images                 image; records and bytes in all; remove and keep:
                           what is of no other given image; problem: why not
                           all of it is known
    shared                 the same of what several of the given images share
    remove                 records and bytes that are to be removed in all
    removed, refused       what BuildKit says it removed, and what it left; null
                           when nothing was tried
    duration_seconds       how long that took
    error                  what went wrong; left out when nothing did
Each item of keep has records, bytes and why.

Exit codes: 0 done, also when nothing was there to remove; 1 not all is known of
an image, or a delete call failed; 2 wrong usage; 3 no builder could be reached;
130 interrupted.`,
		Example: `  stoker prune --dry-run \
    --image registry.example/swebench/django__django-1:latest
  stoker prune --images done.txt --yes
  stoker prune --run stoker-out`,
		Args: noArguments, SuggestFor: []string{"rm", "clean", "gc", "purge"},
		RunE: func(cmd *cobra.Command, _ []string) error { return runPrune(cmd.Context(), o, streams) },
	}
	o.images.addTo(cmd)
	o.builder.addTo(cmd.Flags())
	f := cmd.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan, and remove nothing")
	f.BoolVarP(&o.yes, "yes", "y", false, "remove without asking")
	f.DurationVar(&o.pause, "prune-pause", 250*time.Millisecond, "how long one delete call may make builds wait")
	f.DurationVar(&o.timeout, "prune-timeout", 5*time.Minute, "bound on the removal from one node; what is left stays")
	addFormat(cmd, &o.format)
	return cmd
}

// check finds flags that make no sense before anything else is done.
func (o pruneByHandOptions) check(stdin io.Reader) error {
	if err := checkFormat(o.format); err != nil {
		return err
	}
	agreed := o.yes || o.dryRun
	switch {
	case !o.images.given():
		return &flagError{errors.New("nothing says what to remove: use --image REF, --images FILE or --run DIR")}
	case o.pause <= 0:
		return &flagError{fmt.Errorf("--prune-pause %s: it must be more than 0", o.pause)}
	case o.timeout <= 0:
		return &flagError{fmt.Errorf("--prune-timeout %s: it must be more than 0", o.timeout)}
	case !agreed && o.format == formatJSON:
		return &flagError{errors.New("--format json asks nothing: use --yes to remove, or --dry-run to see what would be removed")}
	case !agreed && (o.images.list == "-" || !show.IsTerminal(stdin)):
		return &flagError{errors.New("standard input is no terminal to ask on: use --yes to remove, or --dry-run to see what would be removed")}
	}
	return nil
}

func runPrune(ctx context.Context, o pruneByHandOptions, streams Streams) error {
	if err := o.check(streams.In); err != nil {
		return err
	}
	what, err := o.images.read(streams.In)
	if err != nil {
		return err
	}
	for i := range what.images {
		what.images[i].Needed = false
	}
	return o.builder.withCaches(ctx, streams.Err, what, func(caches []nodeCache) error {
		var judged []prune.Cache
		var nodes []sweep.Node
		for _, c := range caches {
			judged = append(judged, prune.Cache{Node: c.node.Name(), Report: c.Report, Problems: c.Problems})
			nodes = append(nodes, c.node)
		}
		return o.carryOut(ctx, prune.New(judged, cache.Policy{}), nodes, streams)
	})
}

// carryOut shows the plan, removes what it says once that is agreed to, and
// tells what came of it.
func (o pruneByHandOptions) carryOut(ctx context.Context, p prune.Plan, nodes []sweep.Node, streams Streams) error {
	if o.format == formatTable {
		if err := show.PrunePlan(streams.Out, p); err != nil {
			return err
		}
	}
	agreed, err := o.agreed(ctx, p, streams)
	if err != nil {
		return err
	}
	var outcome prune.Outcome
	if agreed {
		outcome = p.Execute(ctx, nodes, prune.Pace{Pause: o.pause, Timeout: o.timeout})
	}
	if o.format == formatJSON {
		err = writeJSON(streams.Out, show.PruneJSONOf(p, outcome, o.dryRun))
	} else {
		show.Pruned(streams.Out, p, outcome)
	}
	switch failed := outcome.Err(); {
	case err != nil:
		return err
	case failed != nil:
		return &runError{failed}
	case p.Unknown():
		return &exitError{ExitFailed} // why was shown already
	}
	return nil
}

func (o pruneByHandOptions) agreed(ctx context.Context, p prune.Plan, streams Streams) (bool, error) {
	switch {
	case p.Remove().Records == 0 || o.dryRun:
		return false, nil
	case o.yes:
		return true, nil
	}
	yes, err := confirm(ctx, streams, show.PruneQuestion(p))
	if err == nil && !yes {
		fmt.Fprintln(streams.Out, "Nothing was removed.")
	}
	return yes, err
}

// confirm asks a question that anything but y or yes denies. Who interrupts
// gets an answer, although nothing can end the reading.
func confirm(ctx context.Context, streams Streams, question string) (bool, error) {
	fmt.Fprintf(streams.Out, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(streams.In).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(streams.Out)
		return false, &runError{context.Cause(ctx)}
	case a := <-answer:
		return a == "y" || a == "yes", nil
	}
}
