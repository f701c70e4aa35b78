package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/sweep"
)

// prunePlan is what a prune by hand removes. It can be shown before it is
// executed.
type prunePlan []*nodePlan

// nodePlan is the part of one node.
type nodePlan struct {
	node   string
	images []imagePlan
	shared cache.Share // of what several of the images have
	list   []cache.Record
	remove cache.Sum // of list
	inUse  bool      // builds run

	target sweep.Node
	done   *sweep.Sweep // what came of it; nil before it is executed
}

// imagePlan is the part of one image.
type imagePlan struct {
	ref string
	cache.Share
	problem error // why not all is known of it
}

func newPrunePlan(caches []nodeCache) prunePlan {
	var p prunePlan
	for _, c := range caches {
		n := &nodePlan{node: c.node.Name(), list: c.Report.Removable(), target: c.node}
		own, shared := c.Report.Shares()
		n.shared = shared
		for i, image := range c.Images {
			n.images = append(n.images, imagePlan{image.Ref, own[i], c.Problems[i]})
		}
		for _, r := range n.list {
			n.remove = plus(n.remove, cache.Sum{Records: 1, Bytes: r.Size})
		}
		for _, r := range c.Report.Records {
			n.inUse = n.inUse || r.InUse
		}
		p = append(p, n)
	}
	return p
}

func plus(a, b cache.Sum) cache.Sum {
	return cache.Sum{Records: a.Records + b.Records, Bytes: a.Bytes + b.Bytes}
}

// remove is what is to be removed from all nodes.
func (p prunePlan) remove() (total cache.Sum) {
	for _, n := range p {
		total = plus(total, n.remove)
	}
	return total
}

// execute removes exactly what was shown. What has got a child since, or is in
// use by now, BuildKit leaves.
func (p prunePlan) execute(ctx context.Context, o pruneByHandOptions) {
	for _, n := range p {
		if ctx.Err() != nil {
			return
		}
		w := sweep.Remove(ctx, sweep.Options{
			Node: n.target, Pause: o.pause, Timeout: o.timeout, Busy: func() bool { return n.inUse },
		}, n.list)
		if w.Err == nil && ctx.Err() != nil {
			w.Err = context.Cause(ctx)
		}
		n.done = &w
	}
}

// err is why the exit code is not 0. Problems of images were shown already.
func (p prunePlan) err() error {
	var failed error
	unknown := false
	for _, n := range p {
		failed = errors.Join(failed, n.err())
		for _, image := range n.images {
			unknown = unknown || image.problem != nil
		}
	}
	switch {
	case failed != nil:
		return &runError{failed}
	case unknown:
		return &exitError{ExitFailed}
	}
	return nil
}

// err is why the removal failed, or that it went beyond what was shown.
func (n *nodePlan) err() error {
	switch {
	case n.done == nil:
		return nil
	case n.done.Err != nil:
		return fmt.Errorf("%s: %w", n.node, n.done.Err)
	case n.done.Astray.Records > 0:
		return fmt.Errorf("%s: BuildKit removed %s (%s) that it was not asked for: report this as an error in stoker",
			n.node, count(n.done.Astray.Records, "record"), size(n.done.Astray.Bytes))
	}
	return nil
}

// write shows the plan.
func (p prunePlan) write(w io.Writer) error {
	var text strings.Builder
	for _, n := range p {
		n.write(&text)
	}
	total := p.remove()
	if total.Records == 0 {
		text.WriteString("Nothing is to be removed.\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// write shows a table of what is removed and kept. What an image shares with
// other given images has a line of its own, so that each record counts once.
func (n *nodePlan) write(w *strings.Builder) {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(columns, "REMOVE\tKEEP\t%s\n", n.node)
	for _, image := range n.images {
		image.write(columns)
	}
	if n.shared.All.Records > 0 {
		writeShare(columns, n.shared, "shared by several of these images")
	}
	fmt.Fprintf(columns, "%s\t\ttotal\n", sumText(n.remove))
	// A strings.Builder never fails.
	_ = columns.Flush()
}

func (i imagePlan) write(w io.Writer) {
	switch {
	case i.All.Records > 0:
		writeShare(w, i.Share, i.ref)
	case i.problem == nil:
		fmt.Fprintf(w, "-\t-\t%s: not in the cache\n", i.ref)
	default:
		fmt.Fprintf(w, "-\t-\t%s\n", i.ref)
	}
	if i.problem != nil {
		for line := range strings.Lines(i.problem.Error()) {
			fmt.Fprintf(w, "\t\t  not all of it can be told: %s\n", strings.TrimSpace(line))
		}
	}
}

// writeShare has a line of its own for what is kept for each reason.
func writeShare(w io.Writer, s cache.Share, name string) {
	fmt.Fprintf(w, "%s\t-\t%s\n", sumText(s.Remove), name)
	for _, k := range s.Keep {
		fmt.Fprintf(w, "\t%s\t  kept: %s\n", sumText(k.Sum), k.Why)
	}
}

// sumText is a sum as a person reads it: 12 records, 3.4MB.
func sumText(s cache.Sum) string {
	if s.Records == 0 {
		return "-"
	}
	return count(s.Records, "record") + ", " + size(s.Bytes)
}

// writeResults tells what BuildKit says it did.
func (p prunePlan) writeResults(w io.Writer) {
	for _, n := range p {
		if n.done == nil || n.remove.Records == 0 {
			continue
		}
		fmt.Fprintf(w, "%s: removed %s (%s) in %s\n", n.node, count(n.done.Removed.Records, "record"),
			size(n.done.Removed.Bytes), n.done.Duration.Round(time.Millisecond))
		if r := n.done.Refused; r.Records > 0 {
			fmt.Fprintf(w, "%s: BuildKit kept %s (%s) that came into use meanwhile\n", n.node, count(r.Records, "record"), size(r.Bytes))
		}
	}
}

// pruneOutput is what stoker prune --format json writes, which the command's
// help describes. Fields may be added, none changed.
type pruneOutput struct {
	DryRun bool         `json:"dry_run"`
	Nodes  []nodeOutput `json:"nodes"`
}

type nodeOutput struct {
	Node            string        `json:"node"`
	Images          []imageOutput `json:"images"`
	Shared          shareOutput   `json:"shared"`
	Remove          sum           `json:"remove"`
	Removed         *sum          `json:"removed"`
	Refused         *sum          `json:"refused"`
	DurationSeconds float64       `json:"duration_seconds"`
	Error           string        `json:"error,omitempty"`
}

type imageOutput struct {
	Image string `json:"image"`
	shareOutput
	Problem string `json:"problem,omitempty"`
}

type shareOutput struct {
	sum
	Remove sum          `json:"remove"`
	Keep   []keptOutput `json:"keep"`
}

type keptOutput struct {
	sum
	Why string `json:"why"`
}

func (p prunePlan) json(dryRun bool) pruneOutput {
	out := pruneOutput{DryRun: dryRun, Nodes: []nodeOutput{}}
	for _, n := range p {
		out.Nodes = append(out.Nodes, n.json())
	}
	return out
}

func (n *nodePlan) json() nodeOutput {
	out := nodeOutput{Node: n.node, Images: []imageOutput{}, Shared: shareJSON(n.shared), Remove: sum(n.remove)}
	for _, i := range n.images {
		image := imageOutput{Image: i.ref, shareOutput: shareJSON(i.Share)}
		if i.problem != nil {
			image.Problem = i.problem.Error()
		}
		out.Images = append(out.Images, image)
	}
	if n.done == nil {
		return out
	}
	removed, refused := sum(n.done.Removed), sum(n.done.Refused)
	out.Removed, out.Refused, out.DurationSeconds = &removed, &refused, n.done.Duration.Seconds()
	if err := n.err(); err != nil {
		out.Error = err.Error()
	}
	return out
}

func shareJSON(s cache.Share) shareOutput {
	out := shareOutput{sum: sum(s.All), Remove: sum(s.Remove), Keep: []keptOutput{}}
	for _, k := range s.Keep {
		out.Keep = append(out.Keep, keptOutput{sum(k.Sum), k.Why})
	}
	return out
}
