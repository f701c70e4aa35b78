package cache

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

func TestFinish(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1"), job("two", "FROM env1"))
	v.Records = stack("a", env1)
	for _, nobody := range []int{-1, 2, 100} {
		v.Needs.Finish(nobody)
	}
	check(t, Classify(v), "a2 live: needed: one")
	v.Needs.Finish(1)
	v.Needs.Finish(1)
	check(t, Classify(v), "a2 live: needed: one")
	v.Needs.Finish(0)
	check(t, Classify(v), "a2 dead: all its jobs are finished: one")
}

// A tag has moved between the plan and the build: what the job does is another
// thing, and what it would have done is nobody's.
func TestLearn(t *testing.T) {
	moved := image("registry/env:1", "os deb e9")
	imagesByName["moved"] = moved
	defer delete(imagesByName, "moved")
	v := view(Exclusive, job("one", "FROM env1 | RUN make"), job("two", "FROM debian"))
	v.Records = append(stack("a", env1), rec("make", "a2", run("make")), rec("n2", "a1", pulled(moved)), rec("new", "n2", run("make")))
	check(t, Classify(v), "a2 live: needed: one\nmake live: needed: one\nn2 live: held until the run ends\nnew live: held until the run ends")

	g := job("one", "FROM moved | RUN make").Graph
	if !v.Needs.Learn(0, g) {
		t.Error("another graph is no news")
	}
	check(t, Classify(v), `
		a1 live: needed: one
		a2 dead: all its jobs are finished
		make dead: all its jobs are finished
		n2 live: needed: one
		new live: needed: one`)
	if v.Needs.Learn(0, g) {
		t.Error("the same graph is news")
	}
	for _, nobody := range []int{-1, 2} {
		if v.Needs.Learn(nobody, graph.Graph{}) {
			t.Errorf("the graph of no job, %d, is news", nobody)
		}
	}
	finish(v, 0)
	check(t, Classify(v), "a1 live: needed: two\nn2 dead: all its jobs are finished: one\nnew dead: all its jobs are finished: one")
	if !v.Needs.Learn(0, job("one", "FROM env1 | RUN make").Graph) {
		t.Error("the graph of a finished job is no news")
	}
	check(t, Classify(v), "make dead: all its jobs are finished: one\nnew dead: all its jobs are finished")
}

// A tag that moves to an image with the same layers changes nothing but the name
// of what is pulled.
func TestLearnAnotherDigest(t *testing.T) {
	again := image("registry/env:1", "os deb e1 ")
	imagesByName["again"] = again
	defer delete(imagesByName, "again")
	v := view(Exclusive, job("one", "FROM env1"))
	v.Records = stack("a", again)
	check(t, Classify(v), "a2 live: held until the run ends")
	if v.Needs.Learn(0, job("one", "FROM again").Graph) {
		t.Error("the same vertices are news")
	}
	check(t, Classify(v), "a2 live: needed: one")
}

func TestWanting(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1"), job("two", "FROM env2"), job("three", "FROM env1"))
	v.Records = stack("a", env1)
	r := Classify(v)
	deb, top := r.wanting(1), r.wanting(2)
	if deb.First() != 0 || top.First() != 0 || !deb.Has(1) || top.Has(1) || deb.Only(0) || top.Only(0) {
		t.Error("wanting before any job is finished")
	}
	finish(v, 0)
	if deb.First() != 1 || top.First() != 2 || deb.Has(0) || !top.Only(2) || deb.Only(2) {
		t.Error("wanting after one is finished")
	}
	finish(v, 1, 2)
	if deb.First() != NoJob || deb.Any(func(int) bool { return true }) {
		t.Error("wanting after all are finished")
	}
}

// However jobs finish and learn, the counts are those of the last graphs.
func TestNeedsCount(t *testing.T) {
	lines := []string{"FROM env1 | RUN a", "FROM env1 | RUN a | RUN b", "FROM env2 | LINK x", "FROM debian", "LINK x", ""}
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.SampledFrom(lines)
		jobs := make([]Job, rapid.IntRange(0, 6).Draw(t, "jobs"))
		for i := range jobs {
			jobs[i] = job("", drawn.Draw(t, "graph"))
		}
		n := NewNeeds(jobs)
		n.Spread(2)
		finished, home := map[int]int{}, map[int]int{}
		for i := range jobs {
			home[i] = anywhere
		}
		for clock := range rapid.IntRange(0, 20).Draw(t, "changes") {
			id := rapid.IntRange(-1, len(jobs)).Draw(t, "job")
			known := id >= 0 && id < len(jobs)
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				n.Finish(id)
				if known && finished[id] == 0 {
					finished[id] = clock + 1
				}
			case 1:
				if known {
					home[id] = rapid.IntRange(anywhere, 1).Draw(t, "home")
					n.Place([]int{id}, home[id])
				}
			default:
				g := job("", drawn.Draw(t, "graph"))
				n.Learn(id, g.Graph)
				if known {
					jobs[id] = g
				}
			}
			for v := range int32(n.shared.Len()) {
				first, last := [2]int{NoJob, NoJob}, NoJob
				for id, j := range jobs {
					if !slices.ContainsFunc(j.Graph.Vertices, func(x graph.Vertex) bool { return x.ID == n.shared.ID(v) }) {
						continue
					}
					for node := range first {
						if finished[id] == 0 && first[node] == NoJob && (home[id] == anywhere || home[id] == node) {
							first[node] = id
						}
					}
					if finished[id] > 0 && (last == NoJob || finished[id] > finished[last]) {
						last = id
					}
				}
				gotLast, _ := n.last(v)
				if got := [2]int{n.first(v, 0), n.first(v, 1)}; got != first || gotLast != last {
					t.Fatalf("of %q the first unfinished jobs are %v, want %v; the last finished is %d, want %d", n.shared.Name(v), got, first, gotLast, last)
				}
			}
		}
	})
}
