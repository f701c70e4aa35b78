package space

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

func TestSimulate(t *testing.T) {
	w := newWorld(Rates{PerByte: 1, Own: 100})
	p := Plan{Workers: 2, Sizes: w.sizes}
	for i := range 6 {
		p.Jobs = append(p.Jobs, w.job(10, []string{"os", fmt.Sprint("env", i/3), fmt.Sprint("own", i)}, []string{fmt.Sprint("RUN ", i)}))
	}
	f := Simulate(p)
	if f.PullBytes != 90 || f.SharedBytes != 90 || f.TotalBytes != 690 || f.PeakBytes != 690 || !f.Fits || f.Waits != 0 {
		t.Errorf("without a limit %+v", f)
	}
	// os, an env or two at the turn, two own layers and two jobs' own records.
	if f.LeastBytes != 10+20+20+200 || f.SmallestBytes != 10+10+10+100 {
		t.Errorf("least %d and smallest %d", f.LeastBytes, f.SmallestBytes)
	}
	p.Limit = Limit{Low: 200, High: 300}
	if f = Simulate(p); f.PeakBytes > 300 || f.PeakBytes < 200 || !f.Fits {
		t.Errorf("with room for two %+v", f)
	}
	p.Workers, p.Limit = 6, Limit{Low: 200, High: 300}
	if f = Simulate(p); f.Waits == 0 || f.PeakBytes > 300 {
		t.Errorf("six workers where two fit %+v", f)
	}
	p.Limit = Limit{Low: 50, High: 100}
	if f = Simulate(p); f.Fits {
		t.Errorf("too small a disk fits: %+v", f)
	}
}

// A blob that stands upon others, too, is pulled once, and unpacked for each.
func TestSimulateTheSameLayerUponOthers(t *testing.T) {
	w := newWorld(Rates{PerByte: 1})
	p := Plan{Workers: 1, Sizes: w.sizes, Jobs: []Job{
		w.job(10, []string{"os", "tools"}, []string{"RUN a"}), w.job(10, []string{"another os", "tools"}, []string{"RUN b"})}}
	if f := Simulate(p); f.PullBytes != 30 || f.SharedBytes != 10 || f.TotalBytes != 40+20 {
		t.Errorf("with what jobs are assumed to add %+v", f)
	}
	p.Present = p.Jobs[1].Vertices[:2]
	if f := Simulate(p); f.PullBytes != 10 || f.SharedBytes != 30 {
		t.Errorf("where one of them is there: %+v", f)
	}
}

// What the cache has already is not forecast again, and a job of which nothing is
// known is in no figure.
func TestSimulateWarmCache(t *testing.T) {
	w := newWorld(Rates{PerByte: 1})
	p := Plan{Workers: 1, Sizes: w.sizes}
	for i := range 3 {
		p.Jobs = append(p.Jobs, w.job(10, []string{"os", fmt.Sprint("own", i)}, []string{"RUN shared", fmt.Sprint("RUN ", i)}))
	}
	for _, j := range p.Jobs {
		for _, v := range j.Vertices {
			w.sizes.Seen(v, 10, true)
			p.Present = append(p.Present, v)
		}
	}
	p.Jobs = append(p.Jobs, Job{Kind: "kind"})
	p.Used = 1000
	f := Simulate(p)
	if f.Unknown != 1 || f.Jobs != 3 || f.PullBytes != 0 || f.PeakBytes != 1000 || f.TotalBytes != 1000 {
		t.Errorf("%+v", f)
	}
	if f.SmallestBytes > 1000 {
		t.Errorf("more is needed than is there: %+v", f)
	}
}

// What others' records stand on stays: it counts once, and as long as the run goes on.
func TestSimulatePinned(t *testing.T) {
	w := newWorld(Rates{PerByte: 2, Own: 10})
	plan := Plan{Workers: 1, Batch: 1, Sizes: w.sizes, Used: 200, Jobs: []Job{
		w.job(50, []string{"one"}, []string{"RUN a"}), w.job(50, []string{"two"}, []string{"RUN b"}), w.job(50, []string{"three"}, []string{"RUN c"})}}
	plan.Present, plan.Live = []int32{plan.Jobs[0].Vertices[0], plan.Jobs[1].Vertices[0]}, 200
	for _, v := range plan.Present {
		w.sizes.Seen(v, 100, true)
	}
	free := Simulate(plan)
	plan.Pinned, plan.Live = plan.Present, 0
	pinned := Simulate(plan)
	if free.PeakBytes >= 310 || pinned.PeakBytes < 310 || pinned.SmallestBytes < 310 || free.SmallestBytes > 220 {
		t.Errorf("with what stays %+v, without %+v", pinned, free)
	}
}

// What earlier runs made in the place of steps looks like theirs until these are made. It is not needed, and goes:
// a plan that fits an empty cache fits one that is full of it.
func TestSimulateFormerResults(t *testing.T) {
	w := newWorld(Rates{PerByte: 2, Own: 10})
	plan := Plan{Workers: 1, Batch: 1, Sizes: w.sizes, Limit: Limit{Low: 150, High: 200}, Jobs: []Job{
		w.job(50, []string{"one"}, []string{"RUN a"}), w.job(50, []string{"two"}, []string{"RUN b"})}}
	empty := Simulate(plan)
	plan.Used, plan.Live, plan.Present = 1000, 1000, []int32{plan.Jobs[0].Vertices[1], plan.Jobs[1].Vertices[1]}
	if full := Simulate(plan); !empty.Fits || !full.Fits || full.SmallestBytes > empty.SmallestBytes {
		t.Errorf("with what looks needed %+v, without %+v", full, empty)
	}
	plan.Live = 0
	if full := Simulate(plan); full.Fits {
		t.Errorf("with as much of others': %+v", full)
	}
}

// However the plan looks: where it fits, the limit is kept; removing never costs
// more than keeping; and the curve never lies above the peak.
func TestSimulateKeepsItsLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(Rates{PerByte: 2, Own: int64(rapid.IntRange(1, 50).Draw(rt, "own"))})
		p := Plan{Workers: rapid.IntRange(1, 8).Draw(rt, "workers"), Sizes: w.sizes}
		for i := range rapid.IntRange(0, 40).Draw(rt, "jobs") {
			steps := []string{fmt.Sprint("RUN variant ", i/4), fmt.Sprint("RUN ", i)}
			j := w.job(int64(rapid.IntRange(1, 20).Draw(rt, "size")), []string{"os", fmt.Sprint("env", i/5), fmt.Sprint("own", i)}, steps)
			if rapid.Bool().Draw(rt, "known") {
				w.sizes.Seen(j.Vertices[3], 30, true)
			}
			p.Jobs = append(p.Jobs, j)
		}
		free := Simulate(p)
		p.Limit.High = free.LeastBytes + int64(rapid.IntRange(0, 100).Draw(rt, "more"))
		p.Limit.Low = p.Limit.High * 3 / 4
		f := Simulate(p)
		if !f.Fits || f.PeakBytes > p.Limit.High {
			rt.Fatalf("peak %d above the limit %d, which is at least the least %d", f.PeakBytes, p.Limit.High, f.LeastBytes)
		}
		if f.PeakBytes > free.PeakBytes || f.SmallestBytes > f.LeastBytes {
			rt.Fatalf("%+v against %+v", f, free)
		}
		for _, v := range f.Curve {
			if v > f.PeakBytes {
				rt.Fatalf("curve %v above its peak %d", f.Curve, f.PeakBytes)
			}
		}
	})
}

// The size of the largest benchmark runs: 100,000 jobs of 30 steps upon 2,000
// shared prefixes.
func BenchmarkSimulate(b *testing.B) {
	w := newWorld(Rates{PerByte: 2, Own: 1000})
	p := Plan{Workers: 8, Sizes: w.sizes, Limit: Limit{Low: 1 << 20, High: 2 << 20}}
	prefix := make([]string, 26)
	for i := range 2000 {
		for s := range prefix {
			prefix[s] = fmt.Sprint("RUN ", i, " ", s)
		}
		for k := range 50 {
			steps := append(prefix[:26:26], fmt.Sprint("RUN own ", i, " ", k, " a"), fmt.Sprint("b ", i, k), fmt.Sprint("c ", i, k), fmt.Sprint("d ", i, k))
			n := w.jobs
			w.jobs++
			w.addQuietly(n, steps)
			p.Jobs = append(p.Jobs, Job{Vertices: w.graph.Path(n), Kind: "kind"})
		}
	}
	w.sizes.Know(w.graph)
	b.ReportAllocs()
	for b.Loop() {
		Simulate(p)
	}
}

// addQuietly adds a job without telling the sizes of it.
func (w *world) addQuietly(n int, steps []string) {
	var g graph.Graph
	var below graph.ID
	for _, name := range steps {
		v := graph.Vertex{ID: stepID(below, name), Kind: graph.Step, Results: []graph.Result{{Description: name}}}
		if below != (graph.ID{}) {
			v.Inputs, v.Results[0].On = []graph.ID{below}, []graph.ID{below}
		}
		g.Vertices = append(g.Vertices, v)
		below = v.ID
	}
	w.graph.Set(n, g)
}
