package show

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/run"
)

// writeScales tells what a run would come to on other numbers of nodes, and where more of
// them stop to pay.
func writeScales(w *strings.Builder, p run.Planned) {
	if len(p.Scales) == 0 {
		return
	}
	w.WriteString("\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "nodes\ttime\tpulled")
	known := p.Pace != nil && p.Pace.SecondsPerJob > 0
	best := p.Scales[0].Nodes
	for _, s := range p.Scales {
		took := fmt.Sprintf("%.4gx", s.Seconds)
		if known {
			took = whole(ofSeconds(s.Seconds))
		}
		note := ""
		if s.Pays {
			best = s.Nodes
		} else {
			note = "\thardly faster"
		}
		fmt.Fprintf(t, "%d\t%s\t%s%s\n", s.Nodes, took, size(s.PullBytes), note)
	}
	// A strings.Builder never fails.
	_ = t.Flush()
	if !known {
		w.WriteString("How long a job takes is not known before a run has built some: times are in the time of one job, and pulling counts as none.\n")
	}
	if last := p.Scales[len(p.Scales)-1]; best < last.Nodes {
		fmt.Fprintf(w, "More than %s would hardly be faster.\n", plural.Of(best, "node"))
	}
}
