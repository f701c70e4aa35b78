package builder

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
)

func TestProgress(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) *time.Time { u := start.Add(time.Duration(ms) * time.Millisecond); return &u }
	vertex := func(name string, from, to int, cached bool) *client.Vertex {
		return &client.Vertex{Digest: digest.FromString(name), Name: name, Started: at(from), Completed: at(to), Cached: cached}
	}
	var log strings.Builder
	var steps []string
	alive := 0
	var made []cache.Making
	var found []graph.ID
	p := newProgress(&log, Watch{Step: func(s string) { steps = append(steps, s) }, Alive: func() { alive++ },
		Made: func(m cache.Making) { made = append(made, m) }, Found: func(id graph.ID) { found = append(found, id) }})
	var places graph.Places
	for i, name := range []string{"[stage-1 1/2] RUN make", "[stage-1 2/2] COPY a b"} {
		places.Put(digest.FromString(name), name, graph.ID{byte(i + 1)})
	}
	dockerfile := vertex("[internal] load build definition from Dockerfile", 10, 20, false)
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{dockerfile}}) // before the graph is known
	sent := graph.Dockerfile("/x")
	p.addPlaces(places, []graph.Vertex{sent})
	if want := []cache.Making{{Vertex: sent.ID, Began: *at(10), Done: *at(20)}}; !slices.Equal(made, want) {
		t.Errorf("made %v, want the Dockerfile that was sent", made)
	}
	made = nil
	running := vertex("[stage-1 1/2] RUN make", 100, 0, false)
	running.Completed = nil
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{running}})
	p.Write(&client.SolveStatus{
		Vertexes: []*client.Vertex{
			vertex("[internal] load build context", 0, 50, false),
			vertex("[context extra] load from client", 25, 100, false),
			vertex("importing cache manifest from x", 0, 200, false),
			vertex("[stage-1 1/2] RUN make", 100, 900, false),
			vertex("[stage-1 2/2] COPY a b", 900, 900, true),
			vertex("exporting to image", 1000, 2000, false),
		},
		Statuses: []*client.VertexStatus{
			{ID: "pushing layers", Started: at(1400), Completed: at(1900)},
			{ID: "pushing manifest for x", Started: at(1900), Completed: at(2000)},
			{ID: "exporting layers", Started: at(1000), Completed: at(1400)},
		},
		Logs: []*client.VertexLog{{Vertex: digest.FromString("[stage-1 1/2] RUN make"), Stream: 1, Data: []byte("made\n"), Timestamp: start}},
	})
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{vertex("[stage-1 2/2] COPY a b", 900, 900, true)}}) // again
	got := p.close()
	p.Write(&client.SolveStatus{}) // late, and ignored

	if alive != 5 {
		t.Errorf("%d signs of life for 5 statuses", alive)
	}
	want := got
	want.ContextSeconds, want.CacheImportSeconds, want.PushSeconds, want.ExportSeconds = 0.1, 0.2, 0.6, 0.4
	want.StepCount, want.CachedStepCount = 2, 1
	if got != want {
		t.Errorf("timings %+v, want %+v", got, want)
	}
	step := cache.Making{Vertex: graph.ID{1}, Began: *at(100)}
	begun := step
	step.Done = *at(900)
	if !slices.Equal(made, []cache.Making{begun, step}) {
		t.Errorf("made %v, want the first step begun and done", made)
	}
	if !slices.Equal(found, []graph.ID{{2}}) {
		t.Errorf("found %v, want the second step", found)
	}
	if !strings.Contains(log.String(), "made") || !strings.Contains(log.String(), "[stage-1 2/2] COPY a b") {
		t.Errorf("log %q", log.String())
	}
	if strings.Count(strings.Join(steps, "\n"), "RUN make") != 1 {
		t.Errorf("steps %q: each should begin once", steps)
	}
}

// The daemon's clock is set forth or back while a build runs, which takes 3 s by
// the monotonic clock: nothing took longer than that, or less than no time. What did
// not run just then took what it took.
func TestClockIsSetDuringBuild(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		jump         time.Duration
		push, export float64
	}{"forth": {time.Hour, 3, 1}, "back": {-2 * time.Hour, 0, 0}, "not": {0, 1, 1}} {
		t.Run(name, func(t *testing.T) {
			at := func(seconds int, jump time.Duration) *time.Time {
				u := start.Add(time.Duration(seconds)*time.Second + jump)
				return &u
			}
			p := newProgress(io.Discard, Watch{}.whole())
			p.Write(&client.SolveStatus{
				Vertexes: []*client.Vertex{
					{Digest: "c", Name: "[internal] load build context", Started: at(0, 0), Completed: at(1, 0)},
					{Digest: "e", Name: "exporting to image", Started: at(1, 0), Completed: at(3, tt.jump)},
				},
				Statuses: []*client.VertexStatus{{ID: "pushing layers", Started: at(2, 0), Completed: at(3, tt.jump)}},
			})
			r := Result{Timings: p.close()}
			r.atMost(3 * time.Second)
			if r.ContextSeconds != 1 || r.PushSeconds != tt.push || r.ExportSeconds != tt.export {
				t.Errorf("timings %+v", r.Timings)
			}
		})
	}
}

// An image that is exported and pushed is one vertex that starts twice.
func TestExportAndPushOfOneVertex(t *testing.T) {
	p := newProgress(io.Discard, Watch{}.whole())
	at := func(seconds float64) *time.Time {
		return new(time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second))))
	}
	exporting := func(from, to *time.Time) *client.Vertex {
		return &client.Vertex{Digest: "sha256:e", Name: "exporting to image", Started: from, Completed: to}
	}
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{exporting(at(1), nil)}})
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{exporting(at(1), at(3.902))}})
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{exporting(at(1), at(3.902)), exporting(at(3.902), nil)},
		Statuses: []*client.VertexStatus{{ID: "pushing layers", Started: at(3.902), Completed: at(4.117)}}})
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{exporting(at(3.902), at(4.117))}})
	if got := p.close(); got.ExportSeconds != 2.902 || got.PushSeconds != 0.215 {
		t.Errorf("exported for %v s and pushed for %v s, want 2.902 and 0.215", got.ExportSeconds, got.PushSeconds)
	}
}

// Makings are told once it is known by how much their times were moved, or at the
// end as they are.
func TestMovedTimes(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	began, done := start.Add(time.Second), start.Add(3*time.Second)
	step := digest.FromString("step")
	for name, known := range map[string]bool{"known": true, "not known": false} {
		t.Run(name, func(t *testing.T) {
			var made []cache.Making
			p := newProgress(&strings.Builder{}, Watch{Step: func(string) {}, Alive: func() {}, Made: func(m cache.Making) { made = append(made, m) }})
			var places graph.Places
			places.Put(step, "step", graph.ID{1})
			p.addPlaces(places, nil)
			p.awaitMove(target)
			p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: step, Name: "step", Started: &began, Completed: &done}}})
			if len(made) > 0 {
				t.Errorf("told too early: %v", made)
			}
			want := cache.Making{Vertex: graph.ID{1}, Began: began, Done: done}
			if known {
				p.move(target, step, began.Add(-time.Hour))
				want.Began, want.Done = began.Add(-time.Hour), done.Add(-time.Hour)
			}
			p.close()
			if !slices.Equal(made, []cache.Making{want}) {
				t.Errorf("told %v, want %v", made, want)
			}
		})
	}
}

// An image is resolved and then pulled, which each begins for itself: of a run that is
// killed meanwhile it is known that it was begun.
func TestMakingsOfAPull(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int) *time.Time { return new(start.Add(time.Duration(seconds) * time.Second)) }
	var made []cache.Making
	p := newProgress(&strings.Builder{}, Watch{Step: func(string) {}, Alive: func() {}, Made: func(m cache.Making) { made = append(made, m) }})
	image := digest.FromString("image")
	var places graph.Places
	places.Put(image, "FROM image", graph.ID{1})
	p.addPlaces(places, nil)
	for _, v := range []client.Vertex{{Started: at(1)}, {Started: at(1)}, {Started: at(1), Completed: at(2)}, {Started: at(3)}} {
		v.Digest, v.Name = image, "FROM image"
		p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{&v}})
	}
	want := []cache.Making{{Vertex: graph.ID{1}, Began: *at(1)}, {Vertex: graph.ID{1}, Began: *at(1), Done: *at(2)}, {Vertex: graph.ID{1}, Began: *at(3)}}
	p.close()
	if !slices.Equal(made, want) {
		t.Errorf("told %v, want %v", made, want)
	}
}

func TestLogSources(t *testing.T) {
	p := newProgress(&strings.Builder{}, Watch{}.whole())
	defer p.close()
	d := digest.FromString("x")
	if !p.ValidateLogSource(d, 1) || p.ValidateLogSource(d, 2) || !p.ValidateLogSource(d, 1) {
		t.Error("a step's log must come from its first source alone")
	}
	p.ClearLogSource(1)
	if !p.ValidateLogSource(d, 2) {
		t.Error("a source that is cleared must give way")
	}
}

// Of a failure the step's name and the last of its output are kept, by time, whatever
// came in pieces, was overwritten or has colours.
func TestExplain(t *testing.T) {
	p := newProgress(&strings.Builder{}, Watch{}.whole())
	defer p.close()
	other, failing, start := digest.FromString("other"), digest.FromString("failing"), time.Now()
	log := func(d digest.Digest, ms, stream int, text string) *client.VertexLog {
		return &client.VertexLog{Vertex: d, Stream: stream, Data: []byte(text), Timestamp: start.Add(time.Duration(ms) * time.Millisecond)}
	}
	p.Write(&client.SolveStatus{
		Vertexes: []*client.Vertex{{Digest: other, Name: "[1/3] RUN other"}, {Digest: failing, Name: "[2/3] RUN make"}},
		Logs: []*client.VertexLog{
			log(other, 0, 1, "not of this step\n"),
			log(failing, 1, 1, strings.Repeat("too early\n", 30)+"10%\r50%\r100%\r\n\n"),
			log(failing, 5, 1, "bye"),
			log(failing, 3, 2, "\x1b[31mError:\x1b[0m no such"), log(failing, 4, 2, " thing\n"),
		},
	})
	done := start.Add(time.Second)
	p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: other, Name: "[1/3] RUN other", Completed: &done},
		{Digest: failing, Name: "[2/3] RUN make", Completed: &done, Error: "exit code: 1"},
	}})
	var e *stepError
	if err := p.explain(errors.New("x")); !errors.As(err, &e) || err.Error() != "x" {
		t.Fatalf("%v", err)
	}
	last := strings.Join(e.output[max(len(e.output)-4, 0):], "|")
	if e.step != "RUN make" || last != "too early|100%|Error: no such thing|bye" || len(e.output) != keptLines {
		t.Errorf("step %q, %d lines of output, the last %q", e.step, len(e.output), last)
	}
	if len(p.outputs) != 1 {
		t.Error("the output of a step that succeeded is kept")
	}
}

func TestMostTelling(t *testing.T) {
	for want, lines := range map[string][]string{
		"":                                   nil,
		"bye":                                {"hello", "bye"},
		"/bin/sh: x: not found":              {"/bin/sh: x: not found"},
		"E: Unable to locate package python": {"Reading package lists...", "E: Unable to locate package python", "Building dependency tree..."},
	} {
		if got := mostTelling(lines); got != want {
			t.Errorf("%q of %q, want %q", got, lines, want)
		}
	}
}
