package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// after is a run of events, one each second.
func after(events ...journal.Event) *Run {
	r := New()
	for i, e := range events {
		r.Apply(began.Add(time.Duration(i)*time.Second), e)
	}
	return r
}

// samplesOf are all numbers of a run, by name and labels as they are written.
func samplesOf(t *testing.T, r *Run) map[string]string {
	t.Helper()
	text, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && !strings.HasPrefix(line, "#") {
			all[name+"}"] = value
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			all[name] = value
		}
	}
	return all
}

var start = journal.RunStarted{Jobs: 10, Kept: 2, Batches: 3, Workers: 4, Nodes: []string{"one", "two"}, OutputDir: "out"}

func finished(job string, status ledger.Status, attempts int) journal.JobFinished {
	e := ledger.Entry{Name: job, Node: "one", Status: status, AttemptCount: attempts, DurationSeconds: 7}
	switch status {
	case ledger.Built:
		e.Pushed, e.Phases = new(true), &ledger.Phases{Pull: 2, Steps: 5}
	case ledger.Failed:
		e.Failure = &ledger.Failure{Class: "no_space"}
	default:
		e.Node, e.DurationSeconds = "", 0
	}
	return journal.JobFinished{Entry: e}
}

// absent is what a number is that is not known.
const absent = ""

func TestNumbers(t *testing.T) {
	sample := journal.Sampled{
		Node: "one", Bound: "the disk of /var/lib/x", UsedBytes: 70, ReservedBytes: 5, HighBytes: 90, Workers: 4, Running: 3,
		Waiting: map[string]int{"space": 1, "worker": 6}, Cache: &journal.Parts{Live: 1, Dead: 2, Foreign: 3, LeftOver: 4},
	}
	tests := []struct {
		name   string
		events []journal.Event
		want   map[string]string
	}{
		{"a run that begins", []journal.Event{start}, map[string]string{
			`stoker_run_info{output_dir="out"}`: "1", `stoker_run_start_time_seconds`: "1.767323045e+09", `stoker_run_end_time_seconds`: absent, `stoker_run_stopping`: "0",
			`stoker_jobs_planned`: "10", `stoker_batches_planned`: "3", `stoker_jobs{state="kept"}`: "2", `stoker_jobs{state="waiting"}`: "8", `stoker_jobs{state="running"}`: "0",
			`stoker_node_up{node="two"}`: "1", `stoker_cache_bytes{node="one",part="live"}`: absent, `stoker_forecast_pull_bytes`: absent,
			`stoker_sweep_live_removed_records_total{node="two"}`: "0", `stoker_jobs_retried_total`: "0",
		}},
		{"jobs by state", []journal.Event{
			start,
			journal.JobStarted{Job: "a", Node: "one"}, journal.JobStarted{Job: "b"}, journal.JobStarted{Job: "c"}, journal.JobStarted{Job: "d"}, journal.JobStarted{Job: "e"},
			finished("a", ledger.Built, 2), finished("b", ledger.Failed, 3), finished("x", ledger.Skipped, 0), finished("y", ledger.SkippedDependency, 0),
			journal.JobWaiting{Job: "c"}, journal.DiskFull{Job: "d"},
		}, map[string]string{
			`stoker_jobs{state="built"}`: "1", `stoker_jobs{state="failed"}`: "1", `stoker_jobs{state="skipped"}`: "1", `stoker_jobs{state="skipped_dependency"}`: "1",
			`stoker_jobs{state="running"}`: "1", `stoker_jobs{state="waiting"}`: "3", `stoker_jobs{state="unfinished"}`: "0",
			`stoker_jobs_ended_total{node="one",state="built"}`: "1", `stoker_jobs_ended_total{node="",state="skipped"}`: "1",
			`stoker_jobs_retried_total`: "2", `stoker_jobs_pushed_total`: "1",
			`stoker_job_duration_seconds_sum{node="one",state="built"}`: "7", `stoker_job_duration_seconds_bucket{node="one",state="built",le="5"}`: "0",
			`stoker_job_duration_seconds_bucket{node="one",state="built",le="10"}`: "1", `stoker_job_duration_seconds_count{node="",state="skipped"}`: absent,
			`stoker_job_phase_seconds_sum{phase="steps"}`: "5", `stoker_job_phase_seconds_count{phase="pull"}`: "1", `stoker_job_phase_seconds_count{phase="push"}`: absent,
		}},
		{"a run that ends early", []journal.Event{
			start, journal.JobStarted{Job: "a"}, sample, journal.Stopping{Reason: "interrupted"},
			journal.RunFinished{Summary: ledger.Summary{Total: 10, Unfinished: 8, ForecastPullBytes: new(int64(77))}},
		}, map[string]string{
			`stoker_jobs{state="running"}`: "0", `stoker_jobs{state="waiting"}`: "0", `stoker_jobs{state="unfinished"}`: "8", `stoker_run_stopping`: "1",
			`stoker_run_end_time_seconds`: "1.767323049e+09", `stoker_run_latest_event_time_seconds`: "1.767323049e+09", `stoker_forecast_pull_bytes`: "77",
			`stoker_jobs_waiting{node="one",reason="space"}`: absent, `stoker_node_jobs_running{node="one"}`: absent, `stoker_node_up{node="one"}`: absent,
		}},
		{"attempts, each counted once", []journal.Event{
			start,
			journal.AttemptStarted{Job: "a"}, journal.AttemptFailed{Job: "a", Class: "transient", Retry: true},
			journal.AttemptStarted{Job: "a"}, journal.BuilderLost{Job: "a", Node: "one"},
			journal.AttemptStarted{Job: "a"}, journal.DiskFull{Job: "a"},
			journal.AttemptStarted{Job: "a"}, finished("a", ledger.Built, 2),
			journal.AttemptStarted{Job: "b"}, journal.AttemptFailed{Job: "b", Class: "permanent"}, finished("b", ledger.Failed, 1),
			journal.AttemptStarted{Job: "c"}, finished("c", ledger.Failed, 1), // of which no failure was told
		}, map[string]string{
			`stoker_attempts_total{outcome="built"}`: "1", `stoker_attempts_total{outcome="transient"}`: "1", `stoker_attempts_total{outcome="permanent"}`: "1",
			`stoker_attempts_total{outcome="builder_lost"}`: "1", `stoker_attempts_total{outcome="no_space"}`: "2", `stoker_retries_total`: "1", `stoker_disk_full_total`: "1",
		}},
		{"how full a node is", []journal.Event{start, sample}, map[string]string{
			`stoker_space_used_bytes{bound="disk",node="one"}`: "70", `stoker_space_limit_bytes{bound="disk",node="one"}`: "90", `stoker_space_promised_bytes{node="one"}`: "5",
			`stoker_space_unknown{node="one"}`: "0", `stoker_cache_bytes{node="one",part="dead"}`: "2", `stoker_cache_bytes{node="one",part="left_over"}`: "4",
			`stoker_jobs_waiting{node="one",reason="worker"}`: "6", `stoker_node_workers{node="one"}`: "4", `stoker_node_jobs_running{node="one"}`: "3",
		}},
		{"what is not known any more", []journal.Event{start, sample, journal.Sampled{Node: "one", Bound: "--cache-budget", HighBytes: 50, Unknown: true}}, map[string]string{
			`stoker_space_used_bytes{bound="disk",node="one"}`: absent, `stoker_space_used_bytes{bound="budget",node="one"}`: absent, `stoker_space_limit_bytes{bound="budget",node="one"}`: "50",
			`stoker_space_limit_bytes{bound="disk",node="one"}`: absent, `stoker_space_unknown{node="one"}`: "1", `stoker_cache_bytes{node="one",part="dead"}`: absent,
			`stoker_jobs_waiting{node="one",reason="worker"}`: absent,
		}},
		{"sweeps", []journal.Event{
			start, journal.SweepStarted{Node: "one", Batch: 1},
			journal.SweepFinished{Node: "one", Batch: 1, Slices: 2, ReclaimedRecords: 3, ReclaimedBytes: 400, RefusedRecords: 1, LiveRemovedRecords: 1, LongestSlice: 0.3, Duration: 2},
			journal.SweepFinished{Node: "one", Pressure: true, Slices: 1, ReclaimedBytes: 100, LongestSlice: 0.2, Duration: 1, Error: "lost"},
			journal.SweepFinished{Node: "one"}, journal.SweepStarted{Node: "two", Batch: 2},
		}, map[string]string{
			`stoker_sweeps_total{node="one",reason="batch"}`: "1", `stoker_sweeps_total{node="one",reason="pressure"}`: "1", `stoker_sweeps_total{node="one",reason="end"}`: "1",
			`stoker_sweep_slices_total{node="one"}`: "3", `stoker_sweep_reclaimed_bytes_total{node="one"}`: "500", `stoker_sweep_reclaimed_records_total{node="one"}`: "3",
			`stoker_sweep_refused_records_total{node="one"}`: "1", `stoker_sweep_live_removed_records_total{node="one"}`: "1", `stoker_sweep_failures_total{node="one"}`: "1",
			`stoker_sweep_longest_slice_seconds_count{node="one"}`: "2", `stoker_sweep_longest_slice_seconds_sum{node="one"}`: "0.5", `stoker_sweep_duration_seconds_sum{node="one"}`: "3",
			`stoker_sweep_running{node="one"}`: "0", `stoker_sweep_running{node="two"}`: "1",
		}},
		{"a builder that is lost, as several jobs tell", []journal.Event{
			start, journal.BuilderLost{Job: "a", Node: "two"}, journal.BuilderLost{Job: "b", Node: "two one"},
		}, map[string]string{`stoker_node_up{node="two"}`: "0", `stoker_node_up{node="one"}`: "1", `stoker_builder_lost_total{node="two"}`: "1", `stoker_builder_lost_total{node="one"}`: "0"}},
		{"and is back, and lost again", []journal.Event{
			start, journal.BuilderLost{Job: "a", Node: "two"},
			journal.Recovered{Job: "a", Mending: journal.MendBuilder, Node: "two"}, journal.Recovered{Job: "b", Mending: journal.MendBuilder, Node: "two"},
			journal.BuilderLost{Node: "two"}, journal.Recovered{Mending: journal.MendBuilder, Node: "two"},
			journal.Recovered{Mending: journal.MendOwn, Node: "one", Records: 2, Bytes: 30},
		}, map[string]string{
			`stoker_node_up{node="two"}`: "1", `stoker_builder_lost_total{node="two"}`: "2", `stoker_recoveries_total{mending="builder",node="two"}`: "2",
			`stoker_recoveries_total{mending="own_records",node="one"}`: "1", `stoker_recovery_reclaimed_bytes_total{node="one"}`: "30", `stoker_recovery_reclaimed_records_total{node="one"}`: "2",
		}},
		{"waits for space, pulls ahead", []journal.Event{
			start, journal.WaitingForSpace{Job: "a", Node: "one"}, journal.PullFinished{Node: "one", Pulled: true}, journal.LayerPulled{Node: "one", Bytes: 5}, journal.PullFinished{Node: "one"}, journal.PullFinished{Node: "one", Error: "gone"},
		}, map[string]string{
			`stoker_space_waits_total{node="one"}`: "1", `stoker_pulls_ahead_total{node="one",outcome="pulled"}`: "1", `stoker_pulls_ahead_total{node="one",outcome="gave_way"}`: "1",
			`stoker_pulls_ahead_total{node="one",outcome="failed"}`: "1",
		}},
		{"registries", []journal.Event{
			start, journal.RegistryThrottled{Registry: "r.example", Limit: &journal.Limit{Total: 100, Remaining: 0}}, journal.RegistryThrottled{Registry: "s.example"},
			journal.RegistryAnswers{Registry: "s.example"}, journal.RegistryLimit{Registry: "r.example", Limit: journal.Limit{Total: 200, Remaining: 150}},
			journal.Assembled{Job: "a", CopiedBytes: 9},
		}, map[string]string{
			`stoker_registry_throttled_total{registry="r.example"}`: "1", `stoker_registry_waited_for{registry="r.example"}`: "1", `stoker_registry_waited_for{registry="s.example"}`: "0",
			`stoker_registry_limit_requests{registry="r.example"}`: "200", `stoker_registry_remaining_requests{registry="r.example"}`: "150",
			`stoker_registry_limit_requests{registry="s.example"}`: absent, `stoker_assembled_copied_bytes_total`: "9",
		}},
		{"warnings, and what was lost", []journal.Event{start, journal.Warning{Message: "x"}, journal.Warning{Message: "y", Note: true}, journal.Lost{Events: 4}}, map[string]string{
			`stoker_warnings_total`: "1", `stoker_events_lost_total`: "4",
		}},
		{"a run that goes on begins anew", []journal.Event{start, finished("a", ledger.Failed, 1), journal.RunFinished{}, journal.RunStarted{Jobs: 10, Kept: 9}}, map[string]string{
			`stoker_jobs{state="failed"}`: "0", `stoker_jobs{state="waiting"}`: "1", `stoker_run_end_time_seconds`: absent,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := samplesOf(t, after(test.events...))
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

// full is a run in which each number has a value.
func full() *Run {
	return after(start,
		journal.JobStarted{Job: "a"}, journal.AttemptStarted{Job: "a"}, finished("a", ledger.Built, 1), journal.Stopping{},
		journal.Sampled{Node: "one", Bound: "the disk of /x", Waiting: map[string]int{"space": 1}, Cache: &journal.Parts{}},
		journal.WaitingForSpace{Node: "one"}, journal.PullFinished{Node: "one"}, journal.LayerPulled{Node: "one", Bytes: 5},
		journal.SweepStarted{Node: "one"}, journal.SweepFinished{Node: "one", Slices: 1},
		journal.RunFinished{Summary: ledger.Summary{ForecastPullBytes: new(int64(1))}},
		journal.BuilderLost{Node: "one"}, journal.Recovered{Node: "one"}, journal.SweepStarted{Node: "one"}, journal.RegistryThrottled{Registry: "r", Limit: &journal.Limit{}},
		journal.Sampled{Node: "one", Bound: "the disk of /x", Waiting: map[string]int{"space": 1}, Cache: &journal.Parts{}},
	)
}

// The names are as Prometheus and OpenMetrics would have them.
func TestNames(t *testing.T) {
	families, err := full().Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	known := map[string]string{}
	for _, f := range families {
		family := strings.TrimSuffix(f.GetName(), "_total") // which OpenMetrics takes off
		if other := known[family]; other != "" {
			t.Errorf("%s and %s are one family in OpenMetrics", other, f.GetName())
		}
		known[family] = f.GetName()
	}
}

// Labels have few values, however many jobs and registries there are.
func TestLabelsAreBounded(t *testing.T) {
	r := after(start)
	few := len(samplesOf(t, full()))
	for i := range 1000 {
		job := fmt.Sprintf("job-%d", i)
		for _, e := range []journal.Event{
			journal.JobStarted{Job: job, Node: "one"}, journal.AttemptStarted{Job: job}, finished(job, ledger.Built, 1),
			journal.RegistryThrottled{Registry: job + ".example"}, journal.Warning{Job: job, Message: job},
		} {
			r.Apply(began, e)
		}
	}
	got := samplesOf(t, r)
	if most := few + 4*(mostRegistries+1); len(got) > most {
		t.Errorf("%d series, want at most %d", len(got), most)
	}
	if got[`stoker_registry_throttled_total{registry="other"}`] != fmt.Sprint(1000-mostRegistries) {
		t.Errorf("of other registries: %s", got[`stoker_registry_throttled_total{registry="other"}`])
	}
	for name := range got {
		if strings.Contains(name, `="job-`) && !strings.Contains(name, "{registry=") {
			t.Errorf("%s has a job's name", name)
		}
	}
}

func TestHandler(t *testing.T) {
	s := httptest.NewServer(full().Handler())
	defer s.Close()
	for accept, want := range map[string]string{"": "stoker_jobs_planned 10\n", "application/openmetrics-text; version=1.0.0": "# EOF\n"} {
		request, err := http.NewRequest(http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("asked for %q: %d %v, without %q\n%s", accept, answer.StatusCode, err, want, text)
		}
	}
}
