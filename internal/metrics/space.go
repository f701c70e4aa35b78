package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoker-build/stoker/internal/journal"
)

// space is how full the nodes are, and what comes of that.
type space struct {
	used, promised, limit, unknown *prometheus.GaugeVec
	cache                          *prometheus.GaugeVec
	waits, ahead                   *prometheus.CounterVec
}

func newSpace(m maker) space {
	return space{
		used:     m.gauge("space_used_bytes", "Bytes in use of the node's bound (disk or budget) that is nearest to be full, the forecast of running jobs not included; absent where it cannot be read.", "bound", "node"),
		promised: m.gauge("space_promised_bytes", "Bytes that running jobs are forecast to take yet.", "node"),
		limit:    m.gauge("space_limit_bytes", "The most that may be used of that bound.", "bound", "node"),
		unknown:  m.gauge("space_unknown", "1 while a bound of the node cannot be read, else 0.", "node"),
		cache:    m.gauge("cache_bytes", "Bytes of the node's cache as of the last look at it, by what they are to the run: live, dead, foreign or left_over.", "node", "part"),
		waits:    m.counter("space_waits_total", "Jobs that did not fit when they were due, and waited for space.", "node"),
		ahead:    m.counter("pulls_ahead_total", "Pulls of a next job's layers while others are built, by what came of them: pulled, gave_way or failed.", "node", "outcome"),
	}
}

func (s space) apply(e journal.Event) {
	switch e := e.(type) {
	case journal.Sampled:
		s.sample(e)
	case journal.WaitingForSpace:
		s.waits.WithLabelValues(e.Node).Inc()
	case journal.PullFinished:
		s.ahead.WithLabelValues(e.Node, outcomeOf(e)).Inc()
	}
}

func outcomeOf(e journal.PullFinished) string {
	switch {
	case e.Pulled:
		return "pulled"
	case e.Error != "":
		return "failed"
	}
	return "gave_way"
}

// sample takes in a sample, whose bound may be another than before.
func (s space) sample(e journal.Sampled) {
	node := prometheus.Labels{"node": e.Node}
	for _, g := range []*prometheus.GaugeVec{s.used, s.limit, s.cache} {
		g.DeletePartialMatch(node)
	}
	set(s.promised, float64(e.ReservedBytes), e.Node)
	set(s.unknown, 0, e.Node)
	if e.Unknown {
		set(s.unknown, 1, e.Node)
	}
	if e.Bound != "" {
		set(s.limit, float64(e.HighBytes), kindOf(e.Bound), e.Node)
		if !e.Unknown {
			set(s.used, float64(e.UsedBytes), kindOf(e.Bound), e.Node)
		}
	}
	if c := e.Cache; c != nil {
		set(s.cache, float64(c.Live), e.Node, "live")
		set(s.cache, float64(c.Dead), e.Node, "dead")
		set(s.cache, float64(c.Foreign), e.Node, "foreign")
		set(s.cache, float64(c.LeftOver), e.Node, "left_over")
	}
}

// kindOf is what a bound is, without the path in its name.
func kindOf(bound string) string {
	if strings.HasPrefix(bound, "--") {
		return "budget"
	}
	return "disk"
}
