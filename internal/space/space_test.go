package space

import (
	"fmt"
	"testing"

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
	needs(t, b, jobs[0], 20+10+10, false) // half of the base is only a guess, as much again for what is shared
	b.Holds(map[int32]int64{jobs[0].Vertices[0]: 20})
	b.Seen(jobs[0].Vertices[1], 1000, true)
	b.SeenOwn("kind", 70)
	needs(t, b, jobs[1], 1000+70+70, true) // the shared step is not there any more, another is not known
	b.Holds(map[int32]int64{jobs[0].Vertices[0]: 20, jobs[0].Vertices[1]: 1000, jobs[0].Vertices[2]: 5})
	needs(t, b, jobs[1], 70, true)
	b.Seen(last(jobs[2]), 50, true)
	needs(t, b, jobs[3], 70, true)
	needs(t, b, Job{Kind: "another"}, 70, true) // nothing is known of it but what others did
}

// What one node has seen to be made counts on another that makes it anew, such as what an
// image is linked with that is built there.
func TestWhatOtherNodesHaveSeen(t *testing.T) {
	w, common := newWorld(Rates{PerByte: 1}), NewCommon()
	maker, heir := w.job(10, []string{"os"}, []string{"RUN base"}), w.job(10, []string{"os"}, []string{"RUN base", "RUN heir"})
	heir.Kind = "heir"
	here, there := NewBook(w.sizes), NewBook(w.sizes.Clone())
	here.Share(common)
	there.Share(common)
	needs(t, here, heir, 10+5+5, false)
	there.Seen(last(maker), 400, false)
	needs(t, here, heir, 10+5+5, false) // it may grow yet
	there.Seen(last(maker), 500, true)
	there.SeenOwn("heir", 70)
	needs(t, here, heir, 10+500+70, true)
	here.Seen(last(maker), 600, true)
	here.SeenOwn("heir", 80)
	needs(t, here, heir, 10+600+80, true)
	needs(t, there, heir, 10+500+70, true)
}

// A guess counts twice beside other jobs: many that are let in on guesses would come to
// far more than was thought.
func TestGuessesCountTwiceBesideOthers(t *testing.T) {
	w := newWorld(Rates{PerByte: 1})
	one, two := w.job(10, []string{"os"}, []string{"RUN one"}), w.job(10, []string{"else"}, []string{"RUN two"})
	b := NewBook(w.sizes)
	b.Start(1, one)
	if b.Reserved() != 10+5 {
		t.Errorf("reserved %d for the first, want 15", b.Reserved())
	}
	needs(t, b, two, 10+2*5, false)
	b.SeenOwn("kind", 70)
	needs(t, b, two, 10+70, true)
}

// Where guesses are not good enough, a job of which nothing is known takes a lot beside
// others, until one of its kind has told what that adds, or some have ended that did not.
func TestUnseen(t *testing.T) {
	w := newWorld(Rates{PerByte: 1})
	one, two := w.job(10, []string{"os"}, []string{"RUN one"}), w.job(10, []string{"else"}, []string{"RUN two"})
	book := func() *Book {
		b := NewBook(w.sizes.Clone())
		b.Unseen = 1000
		needs(t, b, two, 10+5, false) // alone it may be had too small
		b.Start(1, one)
		needs(t, b, two, 10+1000, false)
		return b
	}
	told := book()
	told.SeenOwn("another", 7)
	needs(t, told, two, 10+1000, true)
	told.SeenOwn("kind", 70)
	needs(t, told, two, 10+70, true)
	silent := book()
	for n := range scouts {
		needs(t, silent, two, 10+1000, false)
		silent.Start(2+n, one)
		silent.Done(2 + n)
	}
	needs(t, silent, two, 10+2*5, false)
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

// A job that lays steps of others upon its base adds nothing of its own, and that is known.
func TestMergeTakesNothing(t *testing.T) {
	w := newWorld(Rates{PerByte: 2})
	plain := w.job(10, []string{"os"}, []string{"COPY --link"})
	g := graph.Upon(graph.ImageLayers{Ref: "other", Digests: []string{"other"}, Sizes: []int64{10}})
	g.Vertices = g.Vertices[:1]
	linked := w.graph.ID(last(plain))
	g.Vertices = append(g.Vertices, graph.Vertex{ID: stepID(linked, "merge"), Kind: graph.Step, Merge: true, Inputs: []graph.ID{g.Vertices[0].ID, linked}})
	w.graph.Set(w.jobs, g)
	w.sizes.Know(w.graph)
	b := NewBook(w.sizes)
	needs(t, b, Job{Vertices: w.graph.Path(w.jobs), Kind: "kind"}, 2*10, true)
}
