package builder

import (
	"testing"
	"time"

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
