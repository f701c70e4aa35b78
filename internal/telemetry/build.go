package telemetry

import (
	"context"
	"crypto/rand"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// A daemon keeps the spans of a trace in memory while it builds something of it, and with
// the history of each build all of its trace that it has (TraceRecorder in BuildKit's
// util/tracing/detect). In the run's trace that would be those of all other builds. So each
// build has a trace of its own, and a link to its attempt.

// Connect returns a context for connecting to a builder: BuildKit's client tells a daemon
// of traces only if it was made within one. What connecting does is in none.
func (t *Telemetry) Connect(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, newTrace(0))
}

// Build returns the context for the build of an attempt: the daemon's own spans are in
// its trace.
func (t *Telemetry) Build(ctx context.Context, job string, attempt int) context.Context {
	if t == nil {
		return ctx
	}
	own := newTrace(trace.FlagsSampled)
	t.mu.Lock()
	t.builds[build{job, attempt}] = own
	t.mu.Unlock()
	return trace.ContextWithRemoteSpanContext(ctx, own)
}

// linkBuild makes the span that the daemon's are below, and links it with its attempt's.
func (t *Telemetry) linkBuild(at time.Time, b build, attempt *span) {
	t.mu.Lock()
	own, told := t.builds[b]
	delete(t.builds, b)
	t.mu.Unlock()
	if !told {
		return
	}
	attempt.AddLink(trace.Link{SpanContext: own, Attributes: []attribute.KeyValue{attribute.String("stoker.link", "build")}})
	_, s := t.tracer.Start(context.WithValue(context.Background(), known{}, own), "build", trace.WithTimestamp(attempt.from),
		trace.WithAttributes(text("job", b.job), count("attempt", b.attempt)),
		trace.WithLinks(trace.Link{SpanContext: attempt.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("stoker.link", "attempt")}}))
	t.end(&span{Span: s}, at)
}

// known is the key of the ids that a span must have.
type known struct{}

// ids gives spans ids by chance, or those that were told before.
type ids struct{}

func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	own, told := ctx.Value(known{}).(trace.SpanContext)
	if !told {
		own = newTrace(0)
	}
	return own.TraceID(), own.SpanID()
}

func (ids) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newTrace(0).SpanID() }

func newTrace(flags trace.TraceFlags) trace.SpanContext {
	c := trace.SpanContextConfig{TraceFlags: flags}
	_, _ = rand.Read(c.TraceID[:]) // never fails
	_, _ = rand.Read(c.SpanID[:])
	return trace.NewSpanContext(c)
}
