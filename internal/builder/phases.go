package builder

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/ledger"
)

// phase is what a stretch of a build's time counts for. Where several are at work the
// last counts: what a job would wait for without the others.
type phase int

const (
	phaseSolve phase = iota
	phaseResolve
	phaseContext
	phaseCache
	phasePull
	phaseCompress
	phasePush
	phaseSteps
)

// phaseOf tells what a vertex does by its name: the Dockerfile frontend's
// "[internal] load ..." and "[stage n/m] FROM ...", the solver's "importing cache manifest
// from ..." and "exporting to ..." (BuildKit v0.34). An image's vertex resolves it first, and
// pulls only what somebody wants.
func phaseOf(name string) phase {
	within, what, _ := strings.Cut(name, "] ")
	switch {
	case strings.HasPrefix(name, "[internal] load metadata for "), strings.HasPrefix(name, "resolve image config for "), within == "[auth":
		return phaseResolve
	case strings.HasPrefix(name, "[internal] load "), strings.HasPrefix(name, "[context "):
		return phaseContext
	case strings.HasPrefix(name, "importing cache"), strings.HasPrefix(name, "exporting cache"):
		return phaseCache
	case strings.HasPrefix(name, "docker-image://"), isStep(name) && strings.HasPrefix(what, "FROM "):
		return phasePull
	case strings.HasPrefix(name, "exporting "):
		return phaseCompress
	case strings.HasPrefix(name, "importing to "), strings.HasPrefix(name, "pushing "):
		return phasePush
	}
	return phaseSteps
}

// work is a stretch of time in which a phase was at work.
type work struct {
	span
	phase phase
}

// transfers is when images were pushed, and layers pulled.
type transfers struct {
	pushes []span
	pulls  map[pulledLayer]span
}

// pulledLayer is a layer that comes for an image's vertex, or is unpacked for it.
type pulledLayer struct {
	vertex digest.Digest
	status string
}

// note reads the status of a vertex. Of a layer that was there before, it is of that time
// (trackProgress in BuildKit's util/pull/pullprogress); unpacking is told as "extracting"
// and the layer's digest (unlazyLayer in its cache/refs.go).
func (t *transfers) note(s *client.VertexStatus) {
	if s.Started == nil {
		return
	}
	_, notDigest := digest.Parse(strings.TrimPrefix(s.ID, "extracting "))
	switch {
	case notDigest == nil:
		if t.pulls == nil {
			t.pulls = map[pulledLayer]span{}
		}
		one := span{from: *s.Started}
		if s.Completed != nil {
			one.to = *s.Completed
		}
		t.pulls[pulledLayer{s.Vertex, s.ID}] = one
	case s.Completed != nil && strings.HasPrefix(s.ID, "pushing "):
		t.pushes = append(t.pushes, span{*s.Started, *s.Completed})
	}
}

// pullsFrom is when within an image's span its layers begin to come; its end where none do.
func (t *transfers) pullsFrom(image namedSpan) time.Time {
	first := image.to
	for layer, s := range t.pulls {
		ended := !s.to.IsZero() && !s.to.After(image.from)
		if layer.vertex == image.vertex && !ended && s.from.Before(first) {
			first = s.from
		}
	}
	return first
}

// phases shares out the time that a build took.
func (p *progress) phases(began time.Time, took time.Duration) ledger.Phases {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Buildx moves the times of the progress, and the daemon has a clock of its own.
	from := began.Round(0).Add(-p.shifts[target].moved)
	whole := span{from, from.Add(took)}
	var all []work
	for _, s := range p.spans {
		if phase := phaseOf(s.name); phase != phasePull {
			all = append(all, work{s.span.within(whole), phase})
			continue
		}
		pulls := span{p.transfers.pullsFrom(s), s.to}.within(s.span)
		all = append(all, work{span{s.from, pulls.from}.within(whole), phaseResolve}, work{pulls.within(whole), phasePull})
	}
	for _, s := range p.transfers.pushes {
		all = append(all, work{s.within(whole), phasePush})
	}
	return shareOut(whole, all)
}

// within is what of a stretch lies in another.
func (s span) within(whole span) span {
	if s.from.Before(whole.from) {
		s.from = whole.from
	}
	if s.to.After(whole.to) {
		s.to = whole.to
	}
	return s
}

// shareOut counts each moment of a whole for one phase.
func shareOut(whole span, all []work) (p ledger.Phases) {
	type edge struct {
		at    time.Time
		phase phase
		more  int
	}
	var edges []edge
	for _, w := range all {
		if w.to.After(w.from) {
			edges = append(edges, edge{w.from, w.phase, 1}, edge{w.to, w.phase, -1})
		}
	}
	if len(edges) == 0 {
		return ledger.Phases{Solve: whole.to.Sub(whole.from).Seconds()}
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	fields := []*float64{phaseSolve: &p.Solve, phaseResolve: &p.Resolve, phaseContext: &p.Context, phaseCache: &p.Cache, phasePull: &p.Pull,
		phaseCompress: &p.Compress, phasePush: &p.Push, phaseSteps: &p.Steps}
	working := make([]int, len(fields)) // how often each phase is at work
	last := whole.from
	for _, e := range edges {
		at := len(working) - 1
		for at > 0 && working[at] == 0 {
			at--
		}
		*fields[at] += e.at.Sub(last).Seconds()
		working[e.phase] += e.more
		last = e.at
	}
	p.Setup = edges[0].at.Sub(whole.from).Seconds()
	p.Solve -= p.Setup // before the first, nothing was at work either
	p.Record = whole.to.Sub(last).Seconds()
	return p
}
