package cli

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/stoker-build/stoker/internal/ledger"
)

// TestTraces has one run told in both ways, and compares them with its record: trace.json,
// and spans at a collector, with the daemon's own below those of builds.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	type span struct{ service, name, trace, id, parent string }
	var spans []span
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var told collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(data, &told) != nil {
			t.Errorf("a collector cannot read %d bytes for %s: %v", len(data), r.URL, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range told.ResourceSpans {
			service := ""
			for _, a := range of.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					spans = append(spans, span{service, s.Name, hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId)})
				}
			}
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", server.URL+"/v1/traces")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100") // the daemon's, which inherits all this
	w := newWorkbench(t, small(1, 2))
	if code, out := w.build(t.Context()); code != ExitOK || strings.Contains(out, "OpenTelemetry") {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if err := w.daemon.Close(); err != nil { // which sends its last spans
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()

	var file struct {
		TraceEvents []struct {
			Name, Cat, Ph string
			Args          map[string]any
		}
	}
	data, err := os.ReadFile(w.path("out/" + ledger.TraceFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	entries := w.manifest()
	for _, e := range entries {
		inFile, sent := 0, 0
		for _, event := range file.TraceEvents {
			if event.Cat == "job" && event.Name == e.Name && event.Args["status"] == string(e.Status) {
				inFile++
			}
		}
		for _, s := range spans {
			if s.service == "stoker" && s.name == "job "+e.Name {
				sent++
			}
		}
		if inFile != 1 || sent != 1 {
			t.Errorf("%s is %d times in %s, and was sent %d times", e.Name, inFile, ledger.TraceFile, sent)
		}
	}

	builds, below := map[string]string{}, map[string]bool{}
	runs := ""
	for _, s := range spans {
		switch {
		case s.service == "stoker" && s.name == "build":
			builds[s.trace] = s.id
		case s.service == "stoker" && s.name == "run":
			runs = s.trace
		}
	}
	for _, s := range spans {
		if build, is := builds[s.trace]; is && s.service != "stoker" && build == s.parent {
			below[s.trace] = true
		}
		if s.service != "stoker" && s.trace == runs {
			t.Errorf("the daemon's span %s is in the run's own trace", s.name)
		}
	}
	if len(builds) != len(entries) || len(below) != len(builds) {
		t.Errorf("of %d jobs, %d had builds, of which %d have spans of the daemon", len(entries), len(builds), len(below))
	}
}
