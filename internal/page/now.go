package page

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timeline"
	"github.com/stoker-build/stoker/internal/visible"
)

// now is what goes on in a run.
type now struct {
	Running      []running
	SeveralNodes bool
	// Lines say what waits, and why, how full the nodes are, and what is swept.
	Lines []string
}

// running is a job that a worker has.
type running struct {
	Job, Doing, Node string
	Seconds          float64
}

func nowOf(r *timeline.Run) now {
	n := now{SeveralNodes: len(r.Start.Nodes) > 1}
	for _, s := range r.Spans {
		if s.To.IsZero() {
			doing := cmp.Or(visible.Line(s.Step), "starting")
			if s.Attempts > 1 {
				doing = fmt.Sprintf("attempt %d: %s", s.Attempts, doing)
			}
			n.Running = append(n.Running, running{visible.Line(s.Job), doing, visible.Line(s.Node), r.Latest.Sub(s.From).Seconds()})
		}
	}
	last := map[string]timeline.Level{}
	for _, l := range slices.Backward(r.Levels) {
		if _, known := last[l.Node]; !known {
			last[l.Node] = l
		}
		if len(last) >= len(r.Start.Nodes) {
			break
		}
	}
	for _, node := range slices.Sorted(maps.Keys(last)) {
		n.Lines = append(n.Lines, levelText(last[node], n.SeveralNodes))
	}
	for _, w := range r.Waits {
		if w.To.IsZero() {
			n.Lines = append(n.Lines, fmt.Sprintf("%s waits for space: it does not fit below the limit of %s yet", visible.Line(w.Job), visible.Line(w.Bound)))
		}
	}
	for _, s := range r.Sweeps {
		if s.To.IsZero() {
			n.Lines = append(n.Lines, fmt.Sprintf("sweeping %s, for %s", visible.Line(s.Node), duration(r.Latest.Sub(s.From).Truncate(time.Second).Seconds())))
		}
	}
	return n
}

// waitingFor are the words for what jobs wait for.
var waitingFor = map[string]string{
	"worker": "a worker", "space": "space", "registry": "a registry", "image": "another job's image", "pause": "their next attempt", "node": "a node that does not answer",
}

// levelText says how full a node is, and what waits for it.
func levelText(l timeline.Level, named bool) string {
	var parts []string
	switch {
	case l.Unknown:
		parts = append(parts, "how full it is cannot be read")
	case l.Bound != "":
		parts = append(parts, fmt.Sprintf("%s of %s of %s used", size(float64(l.UsedBytes)), size(float64(l.HighBytes)), visible.Line(l.Bound)))
	}
	if l.ReservedBytes > 0 {
		parts = append(parts, size(float64(l.ReservedBytes))+" promised to running jobs")
	}
	if c := l.Cache; c != nil {
		parts = append(parts, fmt.Sprintf("cache: %s live, %s dead", size(float64(c.Live)), size(float64(c.Dead))))
	}
	for _, reason := range slices.Sorted(maps.Keys(l.Waiting)) {
		if k := l.Waiting[reason]; k > 0 {
			parts = append(parts, fmt.Sprintf("%s for %s", waits(k), cmp.Or(waitingFor[reason], reason)))
		}
	}
	text := capital(strings.Join(parts, "; "))
	if named {
		text = visible.Line(l.Node) + ": " + text
	}
	return text
}

func waits(n int) string {
	if n == 1 {
		return "1 job waits"
	}
	return plural.Of(n, "job") + " wait"
}
