package builder

import (
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// timings reads times and counts off the vertexes. Their names are BuildKit's:
// the Dockerfile frontend's "[internal] load ..." and "[stage n/m] ...", the
// solver's "importing cache manifest from ..." and "exporting to ...".
func (p *progress) timings() ledger.Timings {
	p.mu.Lock()
	defer p.mu.Unlock()
	var context, imports, exports []span
	var t ledger.Timings
	for _, v := range p.vertexes {
		if isStep(v.Name) {
			t.StepCount++
			if v.Cached {
				t.CachedStepCount++
			}
		}
		if v.Started == nil || v.Completed == nil {
			continue
		}
		s := span{*v.Started, *v.Completed}
		switch {
		case strings.HasPrefix(v.Name, "[internal] load build context"), strings.HasPrefix(v.Name, "[context "):
			context = append(context, s)
		case strings.HasPrefix(v.Name, "importing cache"):
			imports = append(imports, s)
		case strings.HasPrefix(v.Name, "exporting "), strings.HasPrefix(v.Name, "pushing "):
			exports = append(exports, s)
		}
	}
	t.ContextSeconds = covered(context)
	t.CacheImportSeconds = covered(imports)
	t.PushSeconds = covered(p.pushes)
	t.ExportSeconds = max(covered(exports)-t.PushSeconds, 0)
	return t
}

// isStep tells a step of the Dockerfile from what is done around it.
func isStep(name string) bool {
	return strings.HasPrefix(name, "[") && !strings.HasPrefix(name, "[internal]") &&
		!strings.HasPrefix(name, "[auth]") && !strings.HasPrefix(name, "[context ")
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// covered returns the seconds that the spans cover together; where they overlap
// counts once.
func covered(spans []span) float64 {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var total time.Duration
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			total += s.to.Sub(s.from)
			end = s.to
		}
	}
	return float64(total.Milliseconds()) / 1000
}
