package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoker-build/stoker/internal/journal"
)

// mostRegistries have names of their own. The others are together, under otherRegistries.
const (
	mostRegistries  = 20
	otherRegistries = "other"
)

// registries is what registries say of how often they may be asked, and what was pushed to
// them without a builder.
type registries struct {
	throttled        *prometheus.CounterVec
	waited           *prometheus.GaugeVec
	limit, remaining *prometheus.GaugeVec
	copied           *prometheus.CounterVec

	known map[string]bool
}

func newRegistries(m maker) registries {
	return registries{
		throttled: m.counter("registry_throttled_total", "Times that a registry asked for fewer requests; those beyond the first 20 registries are \"other\".", "registry"),
		waited:    m.gauge("registry_waited_for", "1 from when a registry asks for fewer requests until it has let a job through.", "registry"),
		limit:     m.gauge("registry_limit_requests", "Requests that a registry allows in a window, as it said last.", "registry"),
		remaining: m.gauge("registry_remaining_requests", "Requests that are left of them, as it said last.", "registry"),
		copied:    m.counter("assembled_copied_bytes_total", "Bytes of layers that images were assembled of, and that their registry could not mount."),
		known:     map[string]bool{},
	}
}

func (r registries) apply(e journal.Event) {
	switch e := e.(type) {
	case journal.RegistryThrottled:
		name := r.name(e.Registry)
		r.throttled.WithLabelValues(name).Inc()
		set(r.waited, 1, name)
		r.tell(name, e.Limit)
	case journal.RegistryAnswers:
		set(r.waited, 0, r.name(e.Registry))
	case journal.RegistryLimit:
		r.tell(r.name(e.Registry), &e.Limit)
	case journal.Assembled:
		r.copied.WithLabelValues().Add(float64(e.CopiedBytes))
	case journal.RunFinished:
		r.waited.Reset()
	}
}

// name is a registry's in labels, of which there are not many.
func (r registries) name(registry string) string {
	if !r.known[registry] && len(r.known) == mostRegistries {
		return otherRegistries
	}
	r.known[registry] = true
	return registry
}

// tell shows a limit, unless it is of several registries.
func (r registries) tell(name string, l *journal.Limit) {
	if l != nil && name != otherRegistries {
		set(r.limit, float64(l.Total), name)
		set(r.remaining, float64(l.Remaining), name)
	}
}
