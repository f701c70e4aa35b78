package builder

import (
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

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
	}
	for _, s := range p.spans {
		switch {
		case strings.HasPrefix(s.name, "[internal] load build context"), strings.HasPrefix(s.name, "[context "):
			context = append(context, s.span)
		case strings.HasPrefix(s.name, "importing cache"):
			imports = append(imports, s.span)
		case strings.HasPrefix(s.name, "exporting "), strings.HasPrefix(s.name, "pushing "):
			exports = append(exports, s.span)
		}
	}
	push := covered(p.transfers.pushes)
	t.ContextSeconds = seconds(covered(context))
	t.CacheImportSeconds = seconds(covered(imports))
	t.PushSeconds = seconds(push)
	t.ExportSeconds = seconds(max(covered(exports)-push, 0))
	return t
}

// isStep tells a step of the Dockerfile from what is done around it.
func isStep(name string) bool {
	return strings.HasPrefix(name, "[") && !strings.HasPrefix(name, "[internal]") &&
		!strings.HasPrefix(name, "[auth]") && !strings.HasPrefix(name, "[context ")
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// namedSpan is when a vertex was at work. An image that is exported and pushed is one
// vertex that starts twice (BuildKit v0.34, measured).
type namedSpan struct {
	vertex digest.Digest
	name   string
	span
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// covered returns the time that the spans cover together; where they overlap counts
// once.
func covered(spans []span) time.Duration {
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
	return total
}
