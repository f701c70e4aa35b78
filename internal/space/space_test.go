package space

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

// world is jobs with their graph, and what is known of its sizes.
type world struct {
	graph *graph.Shared
	jobs  int
	sizes *Sizes
}

func newWorld(rates Rates) *world { return &world{graph: graph.NewShared(), sizes: NewSizes(rates)} }

// job adds a job: layers of size compressed bytes, bottom first, and steps upon
// them. Steps of the same name upon the same are one vertex.
func (w *world) job(size int64, layers, steps []string) Job {
	sizes := make([]int64, len(layers))
	for i := range sizes {
		sizes[i] = size
	}
	g := graph.Upon(graph.ImageLayers{Ref: layers[len(layers)-1], Digests: layers, Sizes: sizes})
	g.Vertices = g.Vertices[:len(layers)] // without what stands for anything
	below := g.Vertices[len(layers)-1].ID
	for _, name := range steps {
		v := graph.Vertex{ID: stepID(below, name), Kind: graph.Step, Name: name, Inputs: []graph.ID{below},
			Results: []graph.Result{{Description: name, On: []graph.ID{below}}}}
		g.Vertices = append(g.Vertices, v)
		below = v.ID
	}
	n := w.jobs
	w.jobs++
	w.graph.Set(n, g)
	w.sizes.Know(w.graph)
	return Job{Vertices: w.graph.Path(n), Kind: "kind"}
}

// stepID makes up the identity of a step upon another vertex.
func stepID(below graph.ID, name string) graph.ID {
	return graph.LayerIDs([]string{below.String(), name})[1]
}

// last is the vertex of a job's last step.
func last(j Job) int32 { return j.Vertices[len(j.Vertices)-1] }

func needs(t *testing.T, b *Book, j Job, want int64, wantKnown bool) {
	t.Helper()
	if got, known := b.Need(j); got != want || known != wantKnown {
		t.Errorf("it needs %d (known %v), want %d (%v)", got, known, want, wantKnown)
	}
}

func TestBook(t *testing.T) {
	w := newWorld(Rates{PerByte: 2, Own: 100})
	first := w.job(10, []string{"os", "env", "one"}, []string{"RUN a"})
	second := w.job(10, []string{"os", "env", "two"}, []string{"RUN b"})
	b := NewBook(w.sizes)
	needs(t, b, first, 3*20+100, true)
	b.Start(1, first)
	needs(t, b, second, 20+100, true) // the first pulls what they share
	b.Start(2, second)
	if b.Reserved() != 280 || b.Running() != 2 {
		t.Errorf("reserved %d by %d jobs", b.Reserved(), b.Running())
	}
	b.Holds(map[int32]int64{first.Vertices[0]: 20})
	if b.Reserved() != 260 {
		t.Errorf("reserved %d after a layer arrived, want 260", b.Reserved())
	}
	b.Used(1, 0.5)
	if b.Reserved() != 210 {
		t.Errorf("reserved %d after the first job's steps are done, want 210", b.Reserved())
	}
	b.Done(1)
	b.Done(2)
	if b.Reserved() != 0 || b.Running() != 0 {
		t.Errorf("reserved %d by %d jobs at the end", b.Reserved(), b.Running())
	}
	needs(t, b, second, 2*20+100, true) // it failed, and its layers never came
}

// A layer that is pulled but not unpacked yet has still most of its space to take.
func TestHalfPulledLayer(t *testing.T) {
	w := newWorld(Rates{PerByte: 3, Own: 1})
	j, other := w.job(100, []string{"os"}, nil), w.job(100, []string{"os"}, []string{"RUN a"})
	b := NewBook(w.sizes)
	b.Start(1, j)
	b.Holds(map[int32]int64{j.Vertices[0]: 100})
	if b.Reserved() != 200 {
		t.Errorf("reserved %d, want what unpacking will take: 200", b.Reserved())
	}
	needs(t, b, other, 1, true)
}

func TestWhatJobsAddIsLearned(t *testing.T) {
	w := newWorld(Rates{PerByte: 2})
	var jobs []Job
	for i := range 4 {
		jobs = append(jobs, w.job(10, []string{"os"}, []string{"RUN shared", "RUN same text", fmt.Sprint("RUN own ", i)}))
	}
	b := NewBook(w.sizes)
	needs(t, b, jobs[0], 20+10, false) // half of the base is only a guess
	b.Holds(map[int32]int64{jobs[0].Vertices[0]: 20})
	b.Seen(jobs[0].Vertices[1], 1000, true)
	b.SeenOwn("kind", 70)
	needs(t, b, jobs[1], 1000+70, true) // the shared step is not there any more
	b.Holds(map[int32]int64{jobs[0].Vertices[0]: 20, jobs[0].Vertices[1]: 1000})
	needs(t, b, jobs[1], 70, true)
	b.Seen(last(jobs[2]), 50, true)
	needs(t, b, jobs[3], 70, true)
	needs(t, b, Job{Kind: "another"}, 70, true) // nothing is known of it but what others did
}

// Steps with the same text upon different things are expected to take the same.
func TestLikeSteps(t *testing.T) {
	w := newWorld(Rates{PerByte: 1})
	a, b := w.job(10, []string{"one"}, []string{"RUN make"}), w.job(10, []string{"two"}, []string{"RUN make"})
	book := NewBook(w.sizes)
	book.Seen(last(a), 200, false) // it is being made, or compressed
	needs(t, book, b, 10+10/2, false)
	book.Seen(last(a), 500, true)
	needs(t, book, b, 10+500, true)
}

// Layers whose sizes no registry tells are assumed to take something, and then what
// others were seen to take.
// A step's result that is there, but not compressed yet, takes as much again, or
// what its like took.
func TestResultsGrow(t *testing.T) {
	w := newWorld(Rates{PerByte: 2})
	one, two := w.job(10, []string{"os"}, []string{"RUN same text"}), w.job(10, []string{"else"}, []string{"RUN same text"})
	b := NewBook(w.sizes)
	there := map[int32]int64{one.Vertices[0]: 20, last(one): 100}
	b.Holds(there)
	b.Seen(last(one), 100, false)
	needs(t, b, one, 100, true)
	b.Start(1, one)
	if b.Used(1, 0.5); b.Reserved() != 100 {
		t.Errorf("reserved %d once the steps are done, want 100", b.Reserved())
	}
	there[last(one)] = 150
	b.Seen(last(one), 150, false)
	if b.Holds(there); b.Reserved() > 150 {
		t.Errorf("reserved %d when half is compressed", b.Reserved())
	}
	b.Done(1)
	there[last(one)] = 160
	b.Seen(last(one), 160, true)
	b.Holds(there)
	needs(t, b, one, 0, true)
	there[two.Vertices[0]], there[last(two)] = 20, 100
	b.Seen(last(two), 100, false)
	b.Holds(there)
	needs(t, b, two, 60, true)
}

// A job that filled a disk, alone, needs more than it had there.
func TestLeast(t *testing.T) {
	w := newWorld(Rates{PerByte: 2, Own: 100})
	j := w.job(10, []string{"os"}, []string{"RUN a"})
	b := NewBook(w.sizes)
	j.Least = 70
	needs(t, b, j, 120, true)
	j.Least = 300
	needs(t, b, j, 300, true)
	b.Start(1, j)
	if b.Reserved() != 300 {
		t.Errorf("reserved %d, want 300", b.Reserved())
	}
}

func TestUnknownLayers(t *testing.T) {
	w := newWorld(Rates{PerByte: 2, Own: 5})
	a, b := w.job(0, []string{"os", "a"}, nil), w.job(0, []string{"os", "b"}, nil)
	book := NewBook(w.sizes)
	needs(t, book, a, 2*assumedLayer, false)
	book.Seen(a.Vertices[0], 30, true)
	book.Seen(a.Vertices[1], 10, true)
	needs(t, book, b, 30+20, false)
}

func TestExpectMore(t *testing.T) {
	w := newWorld(Rates{PerByte: 2})
	j := w.job(10, []string{"os"}, []string{"RUN a"})
	b := NewBook(w.sizes)
	b.ExpectMore(j, 1000)
	needs(t, b, j, 20+20, true)
	b.ExpectMore(j, 30)
	needs(t, b, j, 20+30, true)
	b.SeenOwn("kind", 5)
	b.ExpectMore(j, 1000)
	needs(t, b, j, 20+5, true)
}

func TestLimit(t *testing.T) {
	l := Limit{Low: 50, High: 100}
	if !l.Fits(40, 30, 30) || l.Fits(40, 30, 31) || l.Short(40, 30, 40) != 10 || l.Surplus(70) != 20 || l.Surplus(30) != 0 {
		t.Error("a limit does not add up")
	}
	if none := (Limit{}); !none.Fits(1, 1, 1<<60) || none.Surplus(1<<60) != 0 {
		t.Error("no limit must bound nothing")
	}
}

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

// However the plan looks: where it fits, the limit is kept; removing never costs
// more than keeping; and the curve never lies above the peak.
// What others' records stand on stays: it counts once, and as long as the run goes on.
func TestSimulatePinned(t *testing.T) {
	w := newWorld(Rates{PerByte: 2, Own: 10})
	plan := Plan{Workers: 1, Batch: 1, Sizes: w.sizes, Used: 200, Jobs: []Job{
		w.job(50, []string{"one"}, []string{"RUN a"}), w.job(50, []string{"two"}, []string{"RUN b"}), w.job(50, []string{"three"}, []string{"RUN c"})}}
	plan.Present = []int32{plan.Jobs[0].Vertices[0], plan.Jobs[1].Vertices[0]}
	for _, v := range plan.Present {
		w.sizes.Seen(v, 100, true)
	}
	free := Simulate(plan)
	plan.Pinned = plan.Present
	pinned := Simulate(plan)
	if free.PeakBytes >= 310 || pinned.PeakBytes < 310 || pinned.SmallestBytes < 310 || free.SmallestBytes >= 310 {
		t.Errorf("with what stays %+v, without %+v", pinned, free)
	}
}

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

// What is learned later is not in a clone.
func TestSizesClone(t *testing.T) {
	sizes := NewSizes(Rates{})
	sizes.vertices = []vertex{{step: true, like: "RUN a"}, {step: true, like: "RUN a"}}
	sizes.Seen(0, 10, true)
	clone := sizes.Clone()
	sizes.Seen(0, 30, true)
	sizes.SeenOwn("kind", 5)
	if bytes, _ := clone.of(1); bytes != 10 || clone.SawOwn() || clone.Rates.Own != 0 {
		t.Errorf("the clone expects %d, rates %+v", bytes, clone.Rates)
	}
	if bytes, _ := sizes.of(1); bytes != 30 {
		t.Errorf("%d is expected", bytes)
	}
}
