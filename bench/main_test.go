package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stoker-build/stoker/bench/report"
)

func TestParse(t *testing.T) {
	b, only, err := parse([]string{"-only", "peers,latency", "-workers", "3,1", "-quick"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(only, []string{"peers", "latency"}) || !slices.Equal(b.workers, []int{3, 1}) || !b.quick {
		t.Errorf("%v %+v", only, b)
	}
	if _, only, err = parse(nil); err != nil || len(only) != len(benchmarks) {
		t.Errorf("%v, %v: want all benchmarks", only, err)
	}
	for _, args := range [][]string{{"-only", "x"}, {"-workers", "0"}, {"-workers", "2,"}, {"-images", "0"}, {"-part", "-1"}, {"rest"}} {
		if _, _, err := parse(args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestAddRatios(t *testing.T) {
	rows := []report.Row{
		{Way: wayLoop, Values: map[string]float64{"wall": 10, "cpu": 4}},
		{Way: "x", Values: map[string]float64{"wall": 12, "cpu": 3}},
	}
	addRatios(rows)
	for i, want := range [][2]float64{{1, 1}, {1.2, 0.75}} {
		if got := [2]float64{rows[i].Values["ratio"], rows[i].Values["cpuRatio"]}; got != want {
			t.Errorf("%s: %v, want %v", rows[i].Way, got, want)
		}
	}
	addRatios(nil)
}

func TestWithin(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	p := probes{{at(0), at(10)}, {at(10), at(30)}, {at(30), at(60)}, {at(60), at(100)}}
	if got, want := p.within(at(15), at(50)), []float64{0.020, 0.030}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFilters(t *testing.T) {
	if got, want := exactly([]string{"a", "b"}), []string{"id==a", "id==b"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := expression([]string{"a", "b"}), `id~="^(a|b)$"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCommon(t *testing.T) {
	if got := common([]string{"a", "b", "c"}, []string{"c", "x", "a"}); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
}

// The order of a shuffled list must not change from run to run, and no image must be lost.
func TestShuffledShape(t *testing.T) {
	s := sixProjects(&bench{})
	first, second := s.shape().Instances, s.shape().Instances
	if !slices.Equal(first, second) {
		t.Error("two shapes differ")
	}
	if slices.IsSorted(first) {
		t.Error("the list is in order")
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(first)))); n != s.jobs() {
		t.Errorf("%d different images, want %d", n, s.jobs())
	}
}

// What was measured on a part is told as that, and only times are multiplied.
func TestExtrapolate(t *testing.T) {
	r := report.Row{Way: "loop", Values: map[string]float64{"wall": 10, "cpu": 4, "disk": 100, "pulled": 7, "built": 40}}
	extrapolate(&r, 500, 40)
	if r.Way != "loop (40 images, times 12.5)" || r.Values["wall"] != 125 || r.Values["cpu"] != 50 ||
		r.Values["disk"] != 100 || r.Values["pulled"] != 7 || r.Values["built"] != 40 {
		t.Errorf("%+v", r)
	}
}

func TestInstancesOf(t *testing.T) {
	for _, n := range []int{1, 4, 10, 40} {
		if got := instancesOf(n); len(got) != n {
			t.Errorf("%d images: %v", n, got)
		}
	}
}
