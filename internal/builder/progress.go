package builder

import (
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
)

// progress receives the progress of one build. It implements buildx's
// progress.Writer: the status goes to a log in BuildKit's plain form, to a
// count of steps and times, and the names of steps that begin to a callback.
type progress struct {
	watch   Watch
	display *display

	mu         sync.Mutex
	vertexes   map[digest.Digest]*client.Vertex
	spans      []namedSpan // of all that is done; one vertex may have several
	transfers  transfers
	logSources map[digest.Digest]any
	// outputs are what steps print that have not succeeded.
	outputs map[digest.Digest]*output
	// places are the vertices of the build's graph, once that is known.
	places graph.Places
	// sent are the vertices of what the build sent before its graph was known.
	sent  []graph.Vertex
	finds finds
	streams
}

func newProgress(log io.Writer, watch Watch) *progress {
	return &progress{
		display:    newDisplay(log),
		watch:      watch,
		vertexes:   map[digest.Digest]*client.Vertex{},
		logSources: map[digest.Digest]any{},
		outputs:    map[digest.Digest]*output{},
		finds:      finds{told: map[graph.ID]bool{}},
		streams:    newStreams(),
	}
}

// addPlaces says which vertices of the build's graph the progress tells of, also of
// what it has told already.
func (p *progress) addPlaces(places graph.Places, sent []graph.Vertex) {
	for of, made := range p.toldOf(places, sent) {
		p.tell(of, news{made: made})
	}
	tellFound(p)
}

// toldOf returns makings by the targets that the progress has told of them for.
func (p *progress) toldOf(places graph.Places, sent []graph.Vertex) map[string][]cache.Making {
	p.mu.Lock()
	defer p.mu.Unlock()
	made := map[string][]cache.Making{}
	p.places.Join(places)
	p.sent = sent
	for _, v := range p.vertexes {
		if id, ok := p.placeOf(v); ok && !v.Cached {
			of := p.tellers[v.Digest]
			made[of] = append(made[of], makings(id, nil, v)...)
		}
	}
	return made
}

// placeOf returns the vertex of the graph that the progress tells of. The caller
// holds mu.
func (p *progress) placeOf(v *client.Vertex) (graph.ID, bool) {
	if id, ok := p.places.Of(v.Digest, v.Name); ok {
		return id, true
	}
	for _, s := range p.sent {
		if s.Sends(v.Name) {
			return s.ID, true
		}
	}
	return graph.ID{}, false
}

// close ends the log and returns what was measured.
func (p *progress) close() ledger.Timings {
	for of := range p.shifts {
		p.stopWaiting(of)
	}
	p.display.close()
	return p.timings()
}

// Write implements buildx's progress.Writer.
func (p *progress) Write(s *client.SolveStatus) {
	p.watch.Alive()
	of := p.of(s)
	begun, news := p.note(of, s)
	for _, name := range begun {
		p.watch.Step(name)
	}
	p.tell(of, news)
	tellFound(p)
	p.settle(of)
	p.display.show(s)
}

// note remembers a status of a target and returns the names of the steps that began,
// and what else is new.
func (p *progress) note(of string, s *client.SolveStatus) (begun []string, news news) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range s.Vertexes {
		old := p.vertexes[v.Digest]
		if _, is := p.began[told{of, v.Digest}]; !is && v.Started != nil {
			p.began[told{of, v.Digest}] = *v.Started
		}
		if v.Started != nil && (old == nil || old.Started == nil) && !v.Cached {
			begun = append(begun, v.Name)
		}
		if id, ok := p.placeOf(v); ok && !v.Cached {
			news.made = append(news.made, makings(id, old, v)...)
		}
		if v.Started != nil && v.Completed != nil && !completedBefore(old, v) {
			p.spans = append(p.spans, namedSpan{v.Digest, v.Name, span{*v.Started, *v.Completed}})
		}
		if v.Cached {
			p.finds.cached = append(p.finds.cached, v)
		}
		p.vertexes[v.Digest], p.tellers[v.Digest] = v, of
		if v.Completed != nil && v.Error == "" {
			delete(p.outputs, v.Digest)
		}
	}
	for _, st := range s.Statuses {
		p.transfers.note(st)
		began, known := p.began[told{of, st.Vertex}]
		if one, is := pulledOf(st); is && known && !one.At.Before(began) {
			news.pulled = append(news.pulled, one)
		}
	}
	for _, l := range s.Logs {
		if p.outputs[l.Vertex] == nil {
			p.outputs[l.Vertex] = &output{}
		}
		p.outputs[l.Vertex].add(l)
	}
	return begun, news
}

// makings tells what is new of a vertex that is being made, or was.
func makings(id graph.ID, old, v *client.Vertex) []cache.Making {
	switch {
	case v.Completed != nil && !completedBefore(old, v):
		m := cache.Making{Vertex: id, Began: *v.Completed, Done: *v.Completed}
		if v.Started != nil {
			m.Began = *v.Started
		}
		return []cache.Making{m}
	case v.Completed == nil && v.Started != nil && !startedBefore(old, v):
		return []cache.Making{{Vertex: id, Began: *v.Started}}
	}
	return nil
}

// startedBefore tells whether it is known that a vertex has started. An image does several
// times: to be resolved, and to be pulled.
func startedBefore(old, v *client.Vertex) bool {
	return old != nil && old.Started != nil && old.Started.Equal(*v.Started)
}

func completedBefore(old, v *client.Vertex) bool {
	return old != nil && old.Completed != nil && old.Completed.Equal(*v.Completed)
}

// explain adds to a build's error what the step that failed is called and has printed.
func (p *progress) explain(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var vertex *errdefs.VertexError
	if errors.As(err, &vertex) {
		if v := p.vertexes[digest.Digest(vertex.Digest)]; v != nil {
			return p.explained(err, v)
		}
	}
	for _, v := range p.vertexes {
		if v.Error != "" && isStep(v.Name) {
			return p.explained(err, v)
		}
	}
	return err
}

func (p *progress) explained(err error, v *client.Vertex) error {
	e := &stepError{error: err}
	if isStep(v.Name) || !strings.HasPrefix(v.Name, "[") {
		e.step = stepName(v.Name)
	}
	if o := p.outputs[v.Digest]; o != nil {
		e.output = o.last()
	}
	return e
}

// WriteBuildRef implements buildx's progress.Writer; the reference is of use to
// docker's desktop program only.
func (p *progress) WriteBuildRef(string, string) {}

// ValidateLogSource implements buildx's progress.Writer: each step's output is
// taken from the first source that sends it.
func (p *progress) ValidateLogSource(d digest.Digest, source any) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, known := p.logSources[d]; known {
		return first == source
	}
	p.logSources[d] = source
	return true
}

// ClearLogSource implements buildx's progress.Writer.
func (p *progress) ClearLogSource(source any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for d, s := range p.logSources {
		if s == source {
			delete(p.logSources, d)
		}
	}
}
