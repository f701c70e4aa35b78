package space

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

// line is a book of an empty cache with jobs on base images of one layer each, of 100 bytes,
// with a step of 10 upon it. Jobs with the same word have the same base.
func line(t interface{ Helper() }, bases ...string) (*Book, []Waiting) {
	t.Helper()
	g := graph.NewShared()
	for job, base := range bases {
		g.Set(job, graph.Upon(graph.ImageLayers{Ref: base, Digest: base, Digests: []string{base}, Sizes: []int64{100}}))
	}
	sizes := NewSizes(Rates{PerByte: 1, Own: 10})
	sizes.Know(g)
	waiting := make([]Waiting, len(bases))
	for job := range bases {
		path := g.Path(job)
		waiting[job] = Waiting{Job{Vertices: path, Kind: "k"}, []Image{{Layers: path[:1], Steps: path[1:]}}}
	}
	return NewBook(sizes), waiting
}

func within(free int64) func(int64) bool { return func(bytes int64) bool { return bytes <= free } }

func TestAhead(t *testing.T) {
	tests := []struct {
		name  string
		bases []string
		free  int64
		do    func(b *Book, w []Waiting)
		line  func(w []Waiting) []Waiting // nil for all
		place int                         // -1 for nothing
	}{
		{"the first in line", []string{"a", "b"}, 1000, nil, nil, 0},
		{"nobody waits", nil, 1000, nil, nil, -1},
		{"its layers are there", []string{"a", "b"}, 1000, func(b *Book, w []Waiting) { b.Holds(map[int32]int64{w[0].Vertices[0]: 100}) }, nil, 1},
		{"another job is about to pull them", []string{"a", "a", "b"}, 1000, func(b *Book, w []Waiting) { b.Start(0, w[0].Job) }, from(1), 1},
		{"another job has had them", []string{"a", "a"}, 1000, func(b *Book, w []Waiting) { b.Start(0, w[0].Job); b.Done(0) }, from(1), -1},
		{"they are being pulled", []string{"a", "b"}, 1000, func(b *Book, w []Waiting) { b.PullBegins(w[0].Images[0].Layers) }, nil, 1},
		{"its steps are there", []string{"a"}, 1000, func(b *Book, w []Waiting) { b.Holds(map[int32]int64{w[0].Vertices[1]: 10}) }, nil, -1},
		{"it pulls nothing", []string{"a", "b"}, 1000, func(_ *Book, w []Waiting) { w[0].Images = nil }, nil, 1},
		{"layers that are not known", []string{"a"}, 1000, func(_ *Book, w []Waiting) { w[0].Images[0].Layers = nil }, nil, -1},
		{"just room", []string{"a", "b"}, 110, nil, nil, 0},
		{"too little room", []string{"a", "b"}, 109, nil, nil, -1},
		{"no room beside what runs", []string{"a", "b"}, 219, func(b *Book, w []Waiting) { b.Start(0, w[0].Job) }, from(1), -1},
		{"room beside what runs", []string{"a", "b"}, 220, func(b *Book, w []Waiting) { b.Start(0, w[0].Job) }, from(1), 0},
		{"no room for those before it", []string{"a", "b"}, 219, func(b *Book, w []Waiting) { w[0].Images = nil }, nil, -1},
		{"room beside what is pulled", []string{"a", "b"}, 219, func(b *Book, w []Waiting) { b.PullBegins(w[0].Images[0].Layers) }, nil, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, waiting := line(t, tt.bases...)
			if tt.do != nil {
				tt.do(b, waiting)
			}
			if tt.line != nil {
				waiting = tt.line(waiting)
			}
			place, images := b.Ahead(waiting, within(tt.free))
			if len(images) == 0 {
				place = -1
			}
			if place != tt.place {
				t.Errorf("%d is pulled for, want %d", place, tt.place)
			}
		})
	}
}

func from(n int) func([]Waiting) []Waiting { return func(w []Waiting) []Waiting { return w[n:] } }

// What is pulled counts until it is there, once: for a job that needs it, in what the job
// needs, for others beside that. What no job has begun with may go.
func TestPullsInTheBook(t *testing.T) {
	b, w := line(t, "a", "b")
	layer := w[0].Images[0].Layers
	b.PullBegins(layer)
	if own, other := b.Pulling(w[0].Job), b.Pulling(w[1].Job); own != 0 || other != 100 {
		t.Errorf("a pull takes %d of its own job and %d of another", own, other)
	}
	b.Holds(map[int32]int64{layer[0]: 30}) // it is half there
	if own, need := b.Pulling(w[0].Job), first(b.Need(w[0].Job)); own != 70 || need != 10 {
		t.Errorf("of a layer that is half there %d are yet to come, and its job needs %d", own, need)
	}
	b.Holds(nil)
	b.PullEnds(layer, true)
	if pulling, need := b.Pulling(w[1].Job), first(b.Need(w[0].Job)); pulling != 0 || need != 10 {
		t.Errorf("after it %d are yet to come, and its job needs %d", pulling, need)
	}
	if !b.PulledAhead(layer[0]) || !b.HasAhead() {
		t.Error("a layer that was pulled ahead is not known for that")
	}
	b.Start(0, w[0].Job)
	if b.PulledAhead(layer[0]) || b.HasAhead() {
		t.Error("a job has begun, and its layer may go")
	}
}

func first(n int64, _ bool) int64 { return n }

// Whatever runs, waits and is there: all that is pulled ahead is within the bound together
// with all that run and all that go before, and nothing is chosen twice or is there.
func TestAheadKeepsTheBound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bases := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 8).Draw(rt, "bases")
		b, waiting := line(t, bases...)
		high := rapid.Int64Range(0, 1000).Draw(rt, "high")
		used := int64(0)
		fits := func(bytes int64) bool { return used+bytes <= high }
		running := 0
		for running < len(waiting) && rapid.Bool().Draw(rt, "runs") && fits(b.Reserved()+first(b.Need(waiting[running].Job))) {
			b.Start(running, waiting[running].Job)
			running++
		}
		chosen := map[int32]bool{}
		for range len(waiting) + 1 {
			place, images := b.Ahead(waiting[running:], fits)
			if len(images) == 0 {
				break
			}
			layers := slices.Concat(images[0].Layers)
			if chosen[layers[0]] {
				rt.Fatalf("layer %d is pulled twice", layers[0])
			}
			for job := range running {
				if slices.Contains(waiting[job].Vertices, layers[0]) {
					rt.Fatalf("layer %d is pulled beside the job %d that does", layers[0], job)
				}
			}
			chosen[layers[0]] = true
			b.PullBegins(layers)
			if rapid.Bool().Draw(rt, "ends") {
				b.PullEnds(layers, true)
				used += 100
			}
			at := running + place
			all, then := map[int32]bool{}, int64(0)
			for _, w := range waiting[:at+1] {
				for _, v := range w.Vertices[:1] {
					all[v] = true
				}
				then += 10
			}
			if then += 100 * int64(len(all)); then > high {
				rt.Fatalf("with the job at %d all comes to %d of %d", at, then, high)
			}
			delete(all, layers[0])
		}
	})
}
