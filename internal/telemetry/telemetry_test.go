package telemetry

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

// receiver is a collector.
type receiver struct {
	mu      sync.Mutex
	spans   []*tracepb.Span
	about   map[string]string
	headers http.Header
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	data, err := io.ReadAll(req.Body)
	var told collector.ExportTraceServiceRequest
	if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(data, &told) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers, r.about = req.Header, map[string]string{}
	for _, of := range told.ResourceSpans {
		for _, a := range of.Resource.Attributes {
			r.about[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range of.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

func collect(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	return r
}

func fromEnv(t *testing.T) *Telemetry {
	t.Helper()
	sends, err := FromEnv("v1")
	if sends == nil || err != nil {
		t.Fatalf("nothing is to be sent: %v", err)
	}
	return sends
}

// shown is a span as "parent > name from-to (reason of failure)".
func (r *receiver) shown() (all []string) {
	names := map[string]string{}
	for _, s := range r.spans {
		names[string(s.SpanId)] = s.Name
	}
	for _, s := range r.spans {
		ms := func(nano uint64) int64 { return (int64(nano) - began.UnixNano()) / 1e6 } //nolint:gosec // a time
		text := fmt.Sprintf("%s > %s %d-%d", names[string(s.ParentSpanId)], s.Name, ms(s.StartTimeUnixNano), ms(s.EndTimeUnixNano))
		if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			text += " (" + s.Status.Message + ")"
		}
		all = append(all, strings.TrimPrefix(text, " > "))
	}
	slices.Sort(all)
	return all
}

func (r *receiver) find(t *testing.T, name string) *tracepb.Span {
	t.Helper()
	for _, s := range r.spans {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no span %q among %q", name, r.shown())
	return nil
}

func attributes(s *tracepb.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.Attributes {
		all[a.Key] = strings.Trim(strings.SplitN(a.Value.String(), ":", 2)[1], `"`)
	}
	return all
}

func failed(name string) journal.Event {
	return journal.JobFinished{Entry: ledger.Entry{Name: name, Status: ledger.Failed, Failure: &ledger.Failure{Class: "permanent", Step: "RUN make", ExitCode: 2, Message: "3"}}}
}

func TestSpans(t *testing.T) {
	r := collect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=value")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,team=images")
	sends := fromEnv(t)
	building := trace.SpanContextFromContext(sends.Build(t.Context(), "a", 1))
	for _, h := range []struct {
		ms int
		e  journal.Event
	}{
		{0, journal.RunStarted{Jobs: 4, Workers: 2}},
		{5, journal.WaitingForSpace{Job: "b", Bound: "the disk"}},
		{10, journal.JobStarted{Job: "a", Node: "n", Base: "base"}},
		{10, journal.AttemptStarted{Job: "a", Attempt: 1}},
		{15, journal.StepStarted{Job: "a", Step: "FROM"}},
		{20, journal.JobStarted{Job: "b", Node: "n"}},
		{22, journal.SweepStarted{Node: "n", Batch: 1}},
		{25, journal.StepStarted{Job: "a", Step: "RUN make"}},
		{26, journal.SweepFinished{Node: "n", Slices: 3, ReclaimedBytes: 7}},
		{30, journal.AttemptFailed{Job: "a", Attempt: 1, Class: "transient", Error: "lost", Retry: true}},
		{40, journal.AttemptStarted{Job: "a", Attempt: 2}},
		{60, journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Built, FinishedAt: ledger.Time{Time: at(58)}}}},
		{65, journal.PullFinished{Job: "p", Node: "n", Duration: 0.02}},
		{70, journal.JobFinished{Entry: ledger.Entry{Name: "s", Status: ledger.Skipped}}},
		{80, failed("b")},
		{85, journal.JobStarted{Job: "c"}},
		{90, journal.RunFinished{Summary: ledger.Summary{Built: 1, Failed: 1, Skipped: 1, Unfinished: 1}}},
	} {
		sends.Apply(at(h.ms), h.e)
	}
	if err := sends.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"attempt 1 > FROM 15-25", "attempt 1 > RUN make 25-30",
		"build 10-30",
		"job a > attempt 1 10-30 (lost)", "job a > attempt 2 40-58",
		"run 0-90 (failed jobs: 1)",
		"run > job a 10-58", "run > job b 20-80 (RUN make: exit code: 2: 3)", "run > job c 85-90", "run > job s 70-70",
		"run > pull ahead 45-65", "run > sweep 22-26", "run > wait for space 5-20",
	}
	if got := r.shown(); !slices.Equal(got, want) {
		t.Errorf("spans\n%q\nwant\n%q", got, want)
	}
	// The daemon's spans hang on one that is linked with the attempt, in a trace of its own.
	own, attempt := r.find(t, "build"), r.find(t, "attempt 1")
	if hex.EncodeToString(own.TraceId) != building.TraceID().String() || hex.EncodeToString(own.SpanId) != building.SpanID().String() || !building.IsSampled() {
		t.Errorf("the build is %x %x, and the daemon was told %v", own.TraceId, own.SpanId, building)
	}
	if len(own.Links) != 1 || len(attempt.Links) != 1 || string(own.Links[0].SpanId) != string(attempt.SpanId) || string(attempt.Links[0].TraceId) != string(own.TraceId) || string(own.TraceId) == string(attempt.TraceId) {
		t.Errorf("they are linked by %v and %v", own.Links, attempt.Links)
	}
	if a := attributes(r.find(t, "sweep")); a["stoker.slices"] != "3" || a["stoker.reclaimed_bytes"] != "7" {
		t.Errorf("the sweep has %v", a)
	}
	if a := attributes(r.find(t, "job b")); a["stoker.class"] != "permanent" || a["stoker.status"] != "failed" {
		t.Errorf("the failed job has %v", a)
	}
	if r.about["service.name"] != "mine" || r.about["team"] != "images" || r.headers.Get("x-key") != "value" {
		t.Errorf("it was told of %v, with %v", r.about, r.headers)
	}
}

// A run that something else has started is a part of that one's trace, where it says so.
func TestParentFromEnv(t *testing.T) {
	for told, want := range map[string]string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331",
		"nonsense": "",
	} {
		t.Run(told, func(t *testing.T) {
			r := collect(t)
			t.Setenv("TRACEPARENT", told)
			sends := fromEnv(t)
			sends.Apply(at(0), journal.RunStarted{Jobs: 1})
			sends.Apply(at(5), journal.RunFinished{})
			if err := sends.Close(time.Minute); err != nil {
				t.Fatal(err)
			}
			run := r.find(t, "run")
			if want == "" && len(run.ParentSpanId) != 0 || want != "" && fmt.Sprintf("%x %x", run.TraceId, run.ParentSpanId) != want {
				t.Errorf("the run is in trace %x below %x, want %q", run.TraceId, run.ParentSpanId, want)
			}
		})
	}
}

// What a sampler leaves out is not missing.
func TestASampler(t *testing.T) {
	r := collect(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	sends := fromEnv(t)
	sends.Apply(at(0), journal.RunStarted{})
	sends.Apply(at(1), journal.RunFinished{})
	if err := sends.Close(time.Minute); err != nil || len(r.spans) > 0 {
		t.Errorf("%d spans were sent, and it says %v", len(r.spans), err)
	}
}

// What cannot be read of what is told about a run keeps no span back.
func TestMalformedAttributes(t *testing.T) {
	r := collect(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "team=images,malformed")
	sends, err := FromEnv("v1")
	if sends == nil || err == nil || !strings.Contains(err.Error(), "OTEL_RESOURCE_ATTRIBUTES: ") {
		t.Fatalf("it sends: %v, and says %v", sends != nil, err)
	}
	sends.Apply(at(0), journal.RunStarted{})
	sends.Apply(at(1), journal.RunFinished{})
	if err := sends.Close(time.Minute); err != nil || len(r.spans) != 1 || r.about["team"] != "images" || r.about["service.name"] != "stoker" {
		t.Errorf("%d spans were sent, about %v, and it says %v", len(r.spans), r.about, err)
	}
}

// Numbers of the queue with which the library would panic are said to be wrong, and are the usual
// ones instead.
func TestNumbersOfTheQueue(t *testing.T) {
	for _, c := range []struct{ name, value string }{
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-1"}, {"OTEL_BSP_MAX_QUEUE_SIZE", "0"}, {"OTEL_BSP_MAX_QUEUE_SIZE", "99999999999"}, {"OTEL_BSP_MAX_QUEUE_SIZE", "many"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999999999"},
		{"OTEL_BSP_SCHEDULE_DELAY", "-1"}, {"OTEL_BSP_EXPORT_TIMEOUT", "9223372036854775807"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "1"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000"}, {"OTEL_BSP_EXPORT_TIMEOUT", "0"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			r := collect(t)
			t.Setenv(c.name, c.value)
			right := c.value == "1" || c.value == "100000" || c.value == "0" && c.name == "OTEL_BSP_EXPORT_TIMEOUT"
			sends, err := FromEnv("v1")
			if sends == nil || (err == nil) != right || err != nil && !strings.Contains(err.Error(), c.name+"="+strconv.Quote(c.value)+": give a number from ") {
				t.Fatalf("it sends: %v, and says %v", sends != nil, err)
			}
			sends.Apply(at(0), journal.RunStarted{})
			sends.Apply(at(1), journal.RunFinished{})
			if err := sends.Close(time.Minute); err != nil || len(r.spans) != 1 {
				t.Errorf("%d spans were sent, and it says %v", len(r.spans), err)
			}
		})
	}
}

// A collector that fails costs one error, which says how much is missing.
func TestACollectorThatFails(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refuses.Close()
	for name, address := range map[string]string{"refuses": refuses.URL, "is not there": "http://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address)
			sends := fromEnv(t)
			sends.Apply(at(0), journal.RunStarted{})
			sends.Apply(at(1), journal.RunFinished{})
			if err := sends.Close(time.Minute); err == nil || !strings.Contains(err.Error(), "got 0 of 1 spans: ") {
				t.Errorf("it says %v", err)
			}
		})
	}
}

// One that takes a connection and never answers is waited for no longer than that.
func TestACollectorThatHangs(t *testing.T) {
	end := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	defer hangs.Close()
	defer close(end)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", hangs.URL)
	for _, limit := range []string{"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_BSP_EXPORT_TIMEOUT"} {
		t.Setenv(limit, "3600000") // so that nothing else ends it
	}
	sends := fromEnv(t)
	sends.Apply(at(0), journal.RunStarted{})
	sends.Apply(at(1), journal.RunFinished{})
	if err := sends.Close(10 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "got 0 of 1 spans: ") {
		t.Errorf("it says %v", err)
	}
}

func TestWhetherToSend(t *testing.T) {
	for _, c := range []struct {
		env  string
		on   bool
		said string
	}{
		{"", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:1", true, ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://h:1", true, ""},
		{"OTEL_TRACES_EXPORTER=otlp", true, ""},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc", true, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:1 OTEL_TRACES_EXPORTER=none", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:1 OTEL_SDK_DISABLED=true", false, ""},
		{"OTEL_TRACES_EXPORTER=zipkin", false, `OTEL_TRACES_EXPORTER="zipkin": stoker knows otlp and none`},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/json", false, `OTEL_EXPORTER_OTLP_PROTOCOL="http/json": stoker knows http/protobuf and grpc`},
	} {
		t.Run(c.env, func(t *testing.T) {
			for pair := range strings.FieldsSeq(c.env) {
				name, value, _ := strings.Cut(pair, "=")
				t.Setenv(name, value)
			}
			sends, err := FromEnv("v1")
			said := ""
			if err != nil {
				said = err.Error()
			}
			if (sends != nil) != c.on || said != c.said {
				t.Errorf("it sends: %v, and says %q", sends != nil, said)
			}
			if ctx := t.Context(); sends == nil && (sends.Connect(ctx) != ctx || sends.Build(ctx, "a", 1) != ctx || sends.Close(time.Minute) != nil) {
				t.Error("what sends nothing does something")
			}
		})
	}
}
