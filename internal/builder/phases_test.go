package builder

import (
	"io"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/ledger"
)

func TestEachMomentCountsForOnePhase(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(100, 0).Add(time.Duration(s * float64(time.Second))) }
	whole := span{at(0), at(10)}
	tests := []struct {
		name string
		all  []work
		want ledger.Phases
	}{
		{"nothing is told", nil, ledger.Phases{Solve: 10}},
		{"one after the other, with gaps",
			[]work{{span{at(1), at(2)}, phaseResolve}, {span{at(3), at(6)}, phaseSteps}, {span{at(6), at(9)}, phaseCompress}},
			ledger.Phases{Setup: 1, Resolve: 1, Solve: 1, Steps: 3, Compress: 3, Record: 1}},
		{"steps count before what is done meanwhile",
			[]work{{span{at(0), at(8)}, phasePull}, {span{at(2), at(4)}, phaseSteps}, {span{at(3), at(5)}, phaseSteps}},
			ledger.Phases{Pull: 5, Steps: 3, Record: 2}},
		{"pushing is a part of exporting",
			[]work{{span{at(0), at(10)}, phaseCompress}, {span{at(6), at(9)}, phasePush}},
			ledger.Phases{Compress: 7, Push: 3}},
		{"a step that another build had begun",
			[]work{{span{at(-5), at(4)}.within(whole), phaseSteps}, {span{at(4), at(12)}.within(whole), phaseCompress}},
			ledger.Phases{Steps: 4, Compress: 6}},
		{"all of it before", []work{{span{at(-5), at(-4)}.within(whole), phaseSteps}}, ledger.Phases{Solve: 10}},
	}
	for _, tt := range tests {
		got := shareOut(whole, tt.all)
		if got.Round(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// The vertex of a base image resolves it, and pulls layers only where somebody wants them.
func TestImageIsResolvedBeforeItIsPulled(t *testing.T) {
	at := func(s float64) *time.Time { return new(time.Unix(100, 0).Add(time.Duration(s * float64(time.Second)))) }
	layer := digest.FromString("layer").String()
	status := func(id string, from float64, to *time.Time) *client.VertexStatus {
		return &client.VertexStatus{ID: id, Vertex: "from", Started: at(from), Completed: to}
	}
	tests := []struct {
		name     string
		statuses []*client.VertexStatus
		want     ledger.Phases
	}{
		{"nothing is pulled", []*client.VertexStatus{status("resolve example.com/base", 1, at(2))}, ledger.Phases{Resolve: 9, Setup: 1}},
		{"it comes and is unpacked", []*client.VertexStatus{status(layer, 3, at(5)), status("extracting "+layer, 6, at(8))}, ledger.Phases{Resolve: 2, Pull: 7, Setup: 1}},
		{"it does not come to its end", []*client.VertexStatus{status(layer, 3, nil)}, ledger.Phases{Resolve: 2, Pull: 7, Setup: 1}},
		{"it was there before", []*client.VertexStatus{status(layer, -5, at(-4))}, ledger.Phases{Resolve: 9, Setup: 1}},
		{"another build has begun to pull it", []*client.VertexStatus{status(layer, -5, at(4))}, ledger.Phases{Pull: 9, Setup: 1}},
		{"another image is pulled", []*client.VertexStatus{{ID: layer, Vertex: "other", Started: at(3), Completed: at(5)}}, ledger.Phases{Resolve: 9, Setup: 1}},
	}
	for _, tt := range tests {
		p := newProgress(io.Discard, Watch{}.whole())
		p.Write(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: "from", Name: "[1/2] FROM example.com/base", Started: at(1), Completed: at(10)}}, Statuses: tt.statuses})
		got := p.phases(*at(0), 10*time.Second)
		if got.Round(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		p.close()
	}
}

func TestPhasesOfVertexes(t *testing.T) {
	for name, want := range map[string]phase{
		"[internal] load build definition from Dockerfile":          phaseContext,
		"[internal] load metadata for docker.io/library/python:3":   phaseResolve,
		"[auth] library/python:pull token for registry-1.docker.io": phaseResolve,
		"resolve image config for docker-image://docker.io/x/y:1":   phaseResolve,
		"docker-image://docker.io/docker/dockerfile:1@sha256:12":    phasePull,
		"[1/3] FROM docker.io/library/python:3@sha256:12":           phasePull,
		"[linux/arm64 builder 1/3] FROM docker.io/library/python:3": phasePull,
		"[2/3] RUN echo \"] FROM x\"":                               phaseSteps,
		"[context more] load .dockerignore":                         phaseContext,
		"[internal] setting cache mount permissions":                phaseSteps,
		"importing cache manifest from r/cache:1":                   phaseCache,
		"exporting cache to registry":                               phaseCache,
		"exporting to image":                                        phaseCompress,
		"importing to docker":                                       phasePush,
	} {
		if got := phaseOf(name); got != want {
			t.Errorf("%q: phase %d, want %d", name, got, want)
		}
	}
}
