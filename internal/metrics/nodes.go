package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoker-build/stoker/internal/journal"
)

// nodes is how the nodes stand, and what waits for them.
type nodes struct {
	up, workers, busy, waiting *prometheus.GaugeVec
	losses, recoveries         *prometheus.CounterVec
	records, bytes             *prometheus.CounterVec
	pulled                     *prometheus.CounterVec

	lost map[string]bool
	back map[string]bool // that are back since they were lost, and counted as that
}

func newNodes(m maker) nodes {
	return nodes{
		up:         m.gauge("node_up", "1 while the node answers, 0 from when it is lost until it is back; absent once the run has ended.", "node"),
		workers:    m.gauge("node_workers", "Workers of the node, as of its latest sample; a full disk takes some away.", "node"),
		busy:       m.gauge("node_jobs_running", "Workers of the node that are at work, as of its latest sample.", "node"),
		waiting:    m.gauge("jobs_waiting", "Jobs that wait, by what for, as of the latest sample; one that any node may take counts for the first.", "node", "reason"),
		losses:     m.counter("builder_lost_total", "Times that a node stopped to answer.", "node"),
		recoveries: m.counter("recoveries_total", "Times that a node was mended, by the way it was.", "mending", "node"),
		records:    m.counter("recovery_reclaimed_records_total", "Records that were removed to mend a node.", "node"),
		pulled:     m.counter("pulled_bytes_total", "Compressed bytes of layers that the node pulled, for jobs' builds or ahead of them; absent until it tells of one.", "node"),
		bytes:      m.counter("recovery_reclaimed_bytes_total", "Bytes that were removed to mend a node.", "node"),
		lost:       map[string]bool{}, back: map[string]bool{},
	}
}

func (n nodes) apply(e journal.Event) {
	switch e := e.(type) {
	case journal.RunStarted:
		for _, node := range e.Nodes {
			set(n.up, 1, node)
			n.losses.WithLabelValues(node)
		}
	case journal.BuilderLost:
		node, _, _ := strings.Cut(e.Node, " ") // of several, the first is waited for
		n.lose(node)
	case journal.Recovered:
		n.recover(e)
	case journal.LayerPulled:
		n.pulled.WithLabelValues(e.Node).Add(float64(e.Bytes))
	case journal.Sampled:
		n.sample(e)
	case journal.RunFinished:
		n.waiting.Reset()
		n.busy.Reset()
		n.up.Reset()
	}
}

// lose counts that a node is lost, once for all jobs that tell so.
func (n nodes) lose(node string) {
	delete(n.back, node)
	if !n.lost[node] {
		n.losses.WithLabelValues(node).Inc()
	}
	n.lost[node] = true
	set(n.up, 0, node)
}

// recover counts what was mended. That a node is back is told to each job that waits for
// it, and counts once.
func (n nodes) recover(e journal.Recovered) {
	if e.Mending == journal.MendBuilder {
		delete(n.lost, e.Node)
		set(n.up, 1, e.Node)
		if n.back[e.Node] {
			return
		}
		n.back[e.Node] = true
	}
	n.recoveries.WithLabelValues(string(e.Mending), e.Node).Inc()
	n.records.WithLabelValues(e.Node).Add(float64(e.Records))
	n.bytes.WithLabelValues(e.Node).Add(float64(e.Bytes))
}

func (n nodes) sample(e journal.Sampled) {
	set(n.workers, float64(e.Workers), e.Node)
	set(n.busy, float64(e.Running), e.Node)
	n.waiting.DeletePartialMatch(prometheus.Labels{"node": e.Node})
	for reason, jobs := range e.Waiting {
		set(n.waiting, float64(jobs), e.Node, reason)
	}
}
