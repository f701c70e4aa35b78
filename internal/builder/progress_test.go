package builder

import (
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
	p := newProgress(&log, Watch{Step: func(s string) { steps = append(steps, s) }, Alive: func() { alive++ },
		Made: func(m cache.Making) { made = append(made, m) }})
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
	got := p.close()
	p.Write(&client.SolveStatus{}) // late, and ignored

	if alive != 4 {
		t.Errorf("%d signs of life for 4 statuses", alive)
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
	if !strings.Contains(log.String(), "made") || !strings.Contains(log.String(), "[stage-1 2/2] COPY a b") {
		t.Errorf("log %q", log.String())
	}
	if strings.Count(strings.Join(steps, "\n"), "RUN make") != 1 {
		t.Errorf("steps %q: each should begin once", steps)
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
			p.awaitMove()
			p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: step, Name: "step", Started: &began, Completed: &done}}})
			if len(made) > 0 {
				t.Errorf("told too early: %v", made)
			}
			want := cache.Making{Vertex: graph.ID{1}, Began: began, Done: done}
			if known {
				p.move(step, began.Add(-time.Hour))
				want.Began, want.Done = began.Add(-time.Hour), done.Add(-time.Hour)
			}
			p.close()
			if !slices.Equal(made, []cache.Making{want}) {
				t.Errorf("told %v, want %v", made, want)
			}
		})
	}
}

func TestLogSources(t *testing.T) {
	p := newProgress(&strings.Builder{}, Watch{})
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

// A step's output may tell what BuildKit's error does not.
func TestStepFoundDiskFull(t *testing.T) {
	step := func(failure string) *client.SolveStatus {
		d := digest.FromString("step")
		return &client.SolveStatus{
			Vertexes: []*client.Vertex{{Digest: d, Name: "[1/1] RUN make", Error: failure}},
			Logs:     []*client.VertexLog{{Vertex: d, Data: []byte("OSError: [Errno 28] No space left on device\n")}},
		}
	}
	for failure, want := range map[string]bool{"": false, "exit code: 1": true} {
		p := newProgress(&strings.Builder{}, Watch{Step: func(string) {}, Alive: func() {}})
		p.Write(step(failure))
		p.close()
		if got := p.stepFoundDiskFull(); got != want {
			t.Errorf("a step that ended with %q: %v, want %v", failure, got, want)
		}
	}
}
