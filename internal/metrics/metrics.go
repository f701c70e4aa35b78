// Package metrics is a run in numbers, as Prometheus reads them: folded from the run's
// journal alone, so that they cannot disagree with its record. What is not known has no
// number. No label has a job's name, or anything else without a bound.
package metrics

import (
	"bytes"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/stoker-build/stoker/internal/journal"
)

// Run is a run in numbers, as far as its events have been told. Its methods may be called
// concurrently.
type Run struct {
	mu  sync.Mutex // guards what follows
	all *numbers
}

// numbers are those of one run.
type numbers struct {
	registry *prometheus.Registry
	whole    whole
	parts    []part
}

// part is some of the numbers, and what changes them.
type part interface{ apply(e journal.Event) }

// New is a run that has not begun.
func New() *Run { return &Run{all: newNumbers()} }

func newNumbers() *numbers {
	r := prometheus.NewRegistry()
	m := maker{r}
	return &numbers{r, newWhole(m), []part{newJobs(m), newAttempts(m), newNodes(m), newSpace(m), newSweeps(m), newRegistries(m)}}
}

// Apply takes in one event. Those that have no number change nothing.
func (r *Run) Apply(at time.Time, e journal.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, begins := e.(journal.RunStarted); begins {
		r.all = newNumbers()
	}
	r.all.apply(at, e)
}

func (n *numbers) apply(at time.Time, e journal.Event) {
	n.whole.apply(at, e)
	for _, p := range n.parts {
		p.apply(e)
	}
}

// Gather implements prometheus.Gatherer: all numbers are of the same moment.
func (r *Run) Gather() ([]*dto.MetricFamily, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.registry.Gather()
}

// Text is all numbers as node_exporter's textfile collector reads them.
func (r *Run) Text() ([]byte, error) {
	families, err := r.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// mostScrapes are answered at once.
const mostScrapes = 4

// Handler answers scrapes, in OpenMetrics' format where that is asked for.
func (r *Run) Handler() http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: mostScrapes})
}

// maker makes metrics by their names, which all begin with "stoker_".
type maker struct{ registry *prometheus.Registry }

func (m maker) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	m.registry.MustRegister(c)
	if len(labels) == 0 {
		c.WithLabelValues() // 0 from the beginning
	}
	return c
}

// gauge has no value before it is set.
func (m maker) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

func (m maker) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

const prefix = "stoker_"

func set(g *prometheus.GaugeVec, value float64, labels ...string) {
	g.WithLabelValues(labels...).Set(value)
}

// seconds are a time as Prometheus has it.
func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// whole is what is true of the run as a whole.
type whole struct {
	info, began, latest, ended *prometheus.GaugeVec
	batches, stopping          *prometheus.GaugeVec
	forecastPull               *prometheus.GaugeVec
	warnings, lost             *prometheus.CounterVec
}

func newWhole(m maker) whole {
	return whole{
		info:         m.gauge("run_info", "The run, by the directory of its record.", "output_dir"),
		began:        m.gauge("run_start_time_seconds", "When the run began."),
		latest:       m.gauge("run_latest_event_time_seconds", "When the latest event of the run was; nodes are sampled every 10 seconds at least until the last job has ended."),
		ended:        m.gauge("run_end_time_seconds", "When the run ended; absent while it goes on."),
		batches:      m.gauge("batches_planned", "Batches of the run's plan."),
		stopping:     m.gauge("run_stopping", "1 once no new job is started, 0 before."),
		forecastPull: m.gauge("forecast_pull_bytes", "Compressed bytes of layers that the run was forecast to pull; absent before its end, and where that is not known."),
		warnings:     m.counter("warnings_total", "Warnings of the run."),
		lost:         m.counter("events_lost_total", "Events that these numbers lack, since they came too fast."),
	}
}

func (w whole) apply(at time.Time, e journal.Event) {
	set(w.latest, seconds(at))
	switch e := e.(type) {
	case journal.RunStarted:
		set(w.info, 1, e.OutputDir)
		set(w.began, seconds(at))
		set(w.stopping, 0)
		set(w.batches, float64(e.Batches))
	case journal.Warning:
		if !e.Note {
			w.warnings.WithLabelValues().Inc()
		}
	case journal.Lost:
		w.lost.WithLabelValues().Add(float64(e.Events))
	case journal.Stopping:
		set(w.stopping, 1)
	case journal.RunFinished:
		set(w.ended, seconds(at))
		if bytes := e.Summary.ForecastPullBytes; bytes != nil {
			set(w.forecastPull, float64(*bytes))
		}
	}
}
