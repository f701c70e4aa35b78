package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/show"
)

// duOptions are the flags of stoker du.
type duOptions struct {
	images  imageOptions
	builder builderOptions
	format  string
}

func newDu(streams Streams) *cobra.Command {
	var o duOptions
	cmd := &cobra.Command{
		Use:   "du [flags]",
		Short: "Show the cache as a tree by base image: live, dead, foreign",
		Long: `Show what each node's cache holds, as a tree by base image.

A line of the tree has the size of all that stands on it, too. A layer that
several images share stands below them and counts once.

With --image, --images or --run, the given images are a plan, and each line
tells how many bytes are live, dead and foreign to it. Those of --image and
--images are still to be built upon: what is theirs is live. Those of --run
were: the run counts as over, so that what is theirs is dead, whether their jobs
were built, skipped, failed or cut short, unless --image or --images name them
too. As the plan is known by its base images only, every step upon them counts
as the plan's.

--format json writes an array with an object for each node:
  node                     its name or address
  total                    records, bytes, in_use (records), last_used; with a
                           plan also states: the live, dead and foreign bytes
  layers                   the bottom layers, each an object:
    image                  the image that pulled it first; empty: not pulled yet
    id, bytes              its record
    state, reason          with a plan: live, dead or foreign, and why
    steps                  records and bytes of the steps on it and on no layer
                           above
    total                  of it and all above it
    layers                 the layers right above it
  other                    what hangs on no layer, by kind: kind, total
Sizes are in bytes. The totals of layers and other add up to the node's.`,
		Example: `  stoker du
  stoker du --images bases.txt
  stoker du --run stoker-out --format json`,
		Args: noArguments, SuggestFor: []string{"df", "cache", "usage"},
		RunE: func(cmd *cobra.Command, _ []string) error { return runDu(cmd.Context(), o, streams) },
	}
	o.images.addTo(cmd)
	o.builder.addTo(cmd.Flags())
	addFormat(cmd, &o.format)
	return cmd
}

func runDu(ctx context.Context, o duOptions, streams Streams) error {
	if err := checkFormat(o.format); err != nil {
		return err
	}
	what, err := o.images.read(streams.In)
	if err != nil {
		return err
	}
	return o.builder.withCaches(ctx, streams.Err, what, func(caches []nodeCache) error {
		warnUnknown(streams.Err, caches)
		return o.print(streams.Out, caches)
	})
}

// withCaches connects to the builder, judges what its nodes hold for what is named, and
// does something with that.
func (o builderOptions) withCaches(ctx context.Context, warn io.Writer, what named, do func([]nodeCache) error) (err error) {
	if what.note != "" {
		fmt.Fprintln(warn, what.note)
	}
	done, err := o.openState(warn)
	if err != nil {
		return err
	}
	defer done()
	b, err := o.connect(ctx, warn, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	tellMissing(warn, b, isLeftOut)
	caches, err := o.examine(ctx, b, what)
	if err != nil {
		return err
	}
	return do(caches)
}

// print shows what the nodes hold.
func (o duOptions) print(w io.Writer, caches []nodeCache) error {
	usages := make([]show.Usage, len(caches))
	for i, c := range caches {
		usages[i] = show.Usage{Node: c.node.Name(), Tree: c.Report.Tree(), Plan: o.images.given()}
	}
	if o.format == formatJSON {
		out := make([]show.UsageJSON, len(usages))
		for i, u := range usages {
			out[i] = u.JSON()
		}
		return writeJSON(w, out)
	}
	for i, u := range usages {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := u.Write(w, time.Now(), show.Width(w)); err != nil {
			return err
		}
	}
	return nil
}

// warnUnknown tells which images count as foreign for want of knowledge.
func warnUnknown(w io.Writer, caches []nodeCache) {
	for _, c := range caches {
		for i, problem := range c.Problems {
			if problem != nil {
				fmt.Fprintf(w, "%s: not all of %s can be told: %s\n", c.node.Name(), c.Images[i].Ref, problem)
			}
		}
	}
}
