package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoker-build/stoker/internal/journal"
)

// Upper bounds of the buckets of sweeps and their slices, in seconds.
var sweepBuckets = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}

// sweeps is what was swept.
type sweeps struct {
	going                   *prometheus.GaugeVec
	ended, failures, slices *prometheus.CounterVec
	records, bytes          *prometheus.CounterVec
	refused, live           *prometheus.CounterVec
	durations, longest      *prometheus.HistogramVec
}

func newSweeps(m maker) sweeps {
	return sweeps{
		going:     m.gauge("sweep_running", "1 while the node is swept, else 0.", "node"),
		ended:     m.counter("sweeps_total", "Sweeps that have ended, by why they began; those that were to make room and found nothing are not told of.", "node", "reason"),
		failures:  m.counter("sweep_failures_total", "Sweeps that ended early, since something failed.", "node"),
		slices:    m.counter("sweep_slices_total", "Calls by which sweeps removed records.", "node"),
		records:   m.counter("sweep_reclaimed_records_total", "Records that sweeps removed.", "node"),
		bytes:     m.counter("sweep_reclaimed_bytes_total", "Bytes that sweeps removed, as BuildKit reported them.", "node"),
		refused:   m.counter("sweep_refused_records_total", "Times that BuildKit left a record that it was asked to remove, since it was in use.", "node"),
		live:      m.counter("sweep_live_removed_records_total", "Records that were removed but were not dead; it must be 0.", "node"),
		durations: m.histogram("sweep_duration_seconds", "Time of sweeps.", sweepBuckets, "node"),
		longest:   m.histogram("sweep_longest_slice_seconds", "The longest slice of each sweep: a build that begins meanwhile may pause for as long.", sweepBuckets, "node"),
	}
}

func (s sweeps) apply(e journal.Event) {
	switch e := e.(type) {
	case journal.RunStarted:
		for _, node := range e.Nodes {
			s.known(node)
		}
	case journal.SweepStarted:
		set(s.going, 1, e.Node)
	case journal.SweepFinished:
		s.end(e)
	case journal.RunFinished:
		s.going.Reset()
	}
}

// known has a node's counts be 0 from the beginning, so that what is added first is seen.
func (s sweeps) known(node string) {
	set(s.going, 0, node)
	for _, c := range []*prometheus.CounterVec{s.failures, s.slices, s.records, s.bytes, s.refused, s.live} {
		c.WithLabelValues(node)
	}
}

func (s sweeps) end(e journal.SweepFinished) {
	add := func(c *prometheus.CounterVec, n float64) { c.WithLabelValues(e.Node).Add(n) }
	set(s.going, 0, e.Node)
	s.ended.WithLabelValues(e.Node, reasonOf(e)).Inc()
	add(s.slices, float64(e.Slices))
	add(s.records, float64(e.ReclaimedRecords))
	add(s.bytes, float64(e.ReclaimedBytes))
	add(s.refused, float64(e.RefusedRecords))
	add(s.live, float64(e.LiveRemovedRecords))
	if e.Error != "" {
		add(s.failures, 1)
	}
	s.durations.WithLabelValues(e.Node).Observe(e.Duration)
	if e.Slices > 0 {
		s.longest.WithLabelValues(e.Node).Observe(e.LongestSlice)
	}
}

func reasonOf(e journal.SweepFinished) string {
	switch {
	case e.Pressure:
		return "pressure"
	case e.Batch == 0:
		return "end"
	}
	return "batch"
}
