package show

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/prune"
	"github.com/stoker-build/stoker/internal/visible"
)

// PrunePlan writes what a prune by hand would remove and keep, a table for each node.
func PrunePlan(w io.Writer, p prune.Plan) error {
	var text strings.Builder
	for _, n := range p {
		writeNodePlan(&text, n)
	}
	if p.Remove().Records == 0 {
		text.WriteString("Nothing is to be removed.\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// writeNodePlan has a line of its own for what several of the images share, so that
// each record counts once.
func writeNodePlan(w *strings.Builder, n prune.NodePlan) {
	t := columns(w)
	fmt.Fprintf(t, "REMOVE\tKEEP\t%s\n", n.Node)
	for _, image := range n.Images {
		writeImagePlan(t, image)
	}
	if n.Shared.All.Records > 0 {
		writeShare(t, n.Shared, "shared by several of these images")
	}
	if n.Others.Records > 0 {
		fmt.Fprintf(t, "%s\t-\tof none of these images\n", sumText(n.Others))
	}
	fmt.Fprintf(t, "%s\t\ttotal\n", sumText(n.Remove))
	// A strings.Builder never fails.
	_ = t.Flush()
}

func writeImagePlan(w io.Writer, i prune.ImagePlan) {
	ref := visible.Line(i.Ref)
	switch {
	case i.All.Records > 0:
		writeShare(w, i.Share, ref)
	case i.Problem == nil:
		fmt.Fprintf(w, "-\t-\t%s: not in the cache\n", ref)
	default:
		fmt.Fprintf(w, "-\t-\t%s\n", ref)
	}
	if i.Problem != nil {
		for line := range strings.Lines(i.Problem.Error()) {
			fmt.Fprintf(w, "\t\t  not all of it can be told: %s\n", visible.Line(line))
		}
	}
}

// writeShare has a line of its own for what is kept for each reason.
func writeShare(w io.Writer, s cache.Share, name string) {
	fmt.Fprintf(w, "%s\t-\t%s\n", sumText(s.Remove), name)
	for _, k := range s.Keep {
		fmt.Fprintf(w, "\t%s\t  kept: %s\n", sumText(k.Sum), visible.Line(k.Why))
	}
}

// sumText is a sum as a person reads it: 12 records, 3.4MB.
func sumText(s cache.Sum) string {
	if s.Records == 0 {
		return "-"
	}
	return plural.Of(s.Records, "record") + ", " + size(s.Bytes)
}

// PruneQuestion asks whether a plan is to be executed.
func PruneQuestion(p prune.Plan) string {
	total := p.Remove()
	return fmt.Sprintf("Remove %s (%s)?", plural.Of(total.Records, "record"), size(total.Bytes))
}

// Pruned writes what came of a plan, as BuildKit says.
func Pruned(w io.Writer, p prune.Plan, o prune.Outcome) {
	for i, n := range p {
		done := o.Of(i)
		if done == nil || n.Remove.Records == 0 {
			continue
		}
		fmt.Fprintf(w, "%s: removed %s (%s) in %s\n", n.Node, plural.Of(done.Removed.Records, "record"),
			size(done.Removed.Bytes), done.Duration.Round(time.Millisecond))
		if r := done.Refused; r.Records > 0 {
			fmt.Fprintf(w, "%s: BuildKit kept %s (%s) that came into use meanwhile\n", n.Node, plural.Of(r.Records, "record"), size(r.Bytes))
		}
	}
}
