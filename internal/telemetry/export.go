package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/stoker-build/stoker/internal/visible"
)

// FromEnv returns what sends spans as OpenTelemetry's variables say; nil where they do not
// ask for that. Nothing is connected to. Beside something that sends, the error tells what
// it leaves out.
func FromEnv(version string) (*Telemetry, error) {
	ctx := context.Background()
	exporter, err := exporterFromEnv(ctx)
	if exporter == nil || err != nil {
		return nil, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "stoker"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil { // the others hold
		err = fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	sent := &counted{SpanExporter: exporter}
	// The queue is bounded, and what does not fit is dropped.
	queue, wrong := queueFromEnv()
	all := sdktrace.NewTracerProvider(sdktrace.WithBatcher(sent, queue...), sdktrace.WithResource(about), sdktrace.WithIDGenerator(ids{}))
	return &Telemetry{sent: sent, all: all, tracer: all.Tracer("stoker", trace.WithInstrumentationVersion(version)), parent: parentFromEnv(ctx),
		jobs: map[string]*job{}, waits: map[string]*span{}, sweeps: map[string]*span{}, builds: map[build]trace.SpanContext{}}, errors.Join(err, wrong)
}

// parentFromEnv is the span that whoever started the program tells of, by the variables of
// OpenTelemetry's specification of environment variables as carriers.
func parentFromEnv(ctx context.Context) context.Context {
	told := propagation.MapCarrier{"traceparent": os.Getenv("TRACEPARENT"), "tracestate": os.Getenv("TRACESTATE")}
	return propagation.TraceContext{}.Extract(ctx, told)
}

func exporterFromEnv(ctx context.Context) (sdktrace.SpanExporter, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	switch name := os.Getenv("OTEL_TRACES_EXPORTER"); name {
	case "otlp":
	case "none":
		return nil, nil
	case "":
		if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
			return nil, nil
		}
	default:
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%q: stoker knows otlp and none", name)
	}
	const http = "http/protobuf" // the default of OpenTelemetry
	switch protocol := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), http); protocol {
	case http:
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%q: stoker knows %s and grpc", protocol, http)
	}
}

// Close sends what is left, for as long as patience. The error says how many spans the
// collector did not get, and why, as far as that is known.
func (t *Telemetry) Close(patience time.Duration) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := t.all.Shutdown(ctx)
	sent, failed := t.sent.result()
	if sent >= t.made {
		return nil
	}
	if failed != nil {
		err = failed
	}
	if err == nil {
		return fmt.Errorf("the collector got %d of %d spans: the others came faster than they could be sent", sent, t.made)
	}
	return fmt.Errorf("the collector got %d of %d spans: %s", sent, t.made, visible.Head(err.Error(), mostRunes))
}

// counted counts what was sent. It keeps errors to itself, which the library would print.
type counted struct {
	sdktrace.SpanExporter

	mu   sync.Mutex
	sent int
	err  error // the first
}

func (c *counted) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.sent += len(spans)
	} else if c.err == nil {
		c.err = err
	}
	return nil
}

func (c *counted) result() (sent int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.err
}
