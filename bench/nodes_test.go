package main

import (
	"testing"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

func TestCompareNodes(t *testing.T) {
	var rounds []report.Row
	for _, wall := range []float64{30, 10, 20} {
		rounds = append(rounds, report.Row{Way: "one", Values: map[string]float64{"wall": 2 * wall}}, report.Row{Way: "two", Values: map[string]float64{"wall": wall}})
	}
	rows := report.Medians(rounds)
	compareNodes(rows, rounds)
	for key, want := range map[string]float64{"wall": 20, "fastest": 10, "slowest": 30, "speed": 2} {
		if got := rows[1].Values[key]; got != want {
			t.Errorf("%s of two nodes: %v, want %v", key, got, want)
		}
	}
}

func TestPulls(t *testing.T) {
	bases := []lab.Base{{Layers: []lab.Layer{{Digest: "os"}, {Digest: "a"}}}, {Layers: []lab.Layer{{Digest: "os"}, {Digest: "b"}}}}
	layers, again := pulls(bases, map[string]int{"os": 2, "a": 1, "config": 3})
	if layers != 3 || again != 1 {
		t.Errorf("%d layers, %d pulled again; want 3 and 1: one was never pulled, and a config is no layer", layers, again)
	}
}
