package graph

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// path makes a graph of steps upon each other. A step's name stands for itself
// and all below it.
func path(names ...string) Graph {
	var g Graph
	below := ""
	for i, name := range names {
		below += "/" + name
		v := Vertex{ID: identify(below), Kind: Step, Name: name, Results: []Result{{Description: name}}}
		if i > 0 {
			v.Inputs = []ID{g.Vertices[i-1].ID}
			v.Results[0].On = v.Inputs
		}
		g.Vertices = append(g.Vertices, v)
	}
	return g
}

// shared makes one graph of jobs by their paths of words.
func shared(paths ...string) (s *Shared, jobs []int) {
	s = NewShared()
	for job, p := range paths {
		s.Set(job, path(strings.Fields(p)...))
		jobs = append(jobs, job)
	}
	return s, jobs
}

// nameWeight takes a vertex to weigh as many bytes as its name is long.
func nameWeight(s *Shared) func(int32) int64 {
	return func(v int32) int64 { return int64(len(s.Name(v))) }
}

func TestOrder(t *testing.T) {
	tests := []struct {
		name  string
		paths []string
		want  []int
	}{
		{"nothing", nil, nil},
		{"nothing shared", []string{"a", "b", "c"}, []int{0, 1, 2}},
		// The largest shared subtree first; within os, what came first among equals.
		{"trees", []string{
			"os small s1", "much-bigger-os big b1", "alone", "os other o1",
			"much-bigger-os big b2", "os small s2", "os other o2", "os other o3",
		}, []int{1, 4, 0, 5, 3, 6, 7, 2}},
		{"the largest first", []string{"a x", "a y", "bb x", "bb y", "ccc x", "ccc y"}, []int{4, 5, 2, 3, 0, 1}},
		{"what goes on before what ends", []string{"os", "os env e1", "os env e2", "os own"}, []int{1, 2, 0, 3}},
		{"equal jobs", []string{"os a", "os b", "os a", "os b"}, []int{0, 2, 1, 3}},
		// What other jobs have of a job is compared, not where it stands.
		{"a shared builder on other bases", []string{"a builder x", "c y", "a builder z"}, []int{0, 2, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, jobs := shared(tt.paths...)
			if got := s.Order(jobs, nil, Costs{Weight: nameWeight(s)}); !slices.Equal(got, tt.want) {
				t.Errorf("order %v, want %v", got, tt.want)
			}
		})
	}
}

// What jobs that have begun have made is there: those that share it come first, however
// much others share.
func TestOrderAfterSomeHaveBegun(t *testing.T) {
	s, _ := shared("big x", "big y", "os env a", "alone", "os b", "os env c", "os other d", "os other e", "os env f")
	for _, tt := range []struct{ begun, want []int }{
		{[]int{2}, []int{5, 8, 6, 7, 4, 0, 1, 3}},
		{[]int{2, 5}, []int{8, 6, 7, 4, 0, 1, 3}}, // one is left that shares env
		{[]int{3}, []int{6, 7, 2, 5, 8, 4, 0, 1}},
		{[]int{6, 0}, []int{7, 2, 5, 8, 4, 1, 3}},
	} {
		jobs := slices.DeleteFunc([]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, func(job int) bool { return slices.Contains(tt.begun, job) })
		if got := s.Order(jobs, tt.begun, Costs{Weight: nameWeight(s)}); !slices.Equal(got, tt.want) {
			t.Errorf("begun %v: order %v, want %v", tt.begun, got, tt.want)
		}
	}
}

func TestOrderOfSomeJobs(t *testing.T) {
	s, _ := shared("os a", "os b", "env a", "env b", "os c")
	if got := s.Order([]int{4, 3, 2, 0}, nil, Costs{Weight: nameWeight(s)}); !slices.Equal(got, []int{3, 2, 4, 0}) {
		t.Errorf("order %v, want the heavier pair, then the other, each as given", got)
	}
	if got := s.Order([]int{4, 2, 0}, nil, Costs{Weight: func(int32) int64 { return 0 }}); !slices.Equal(got, []int{4, 0, 2}) {
		t.Errorf("order %v, want sharers together where nothing weighs", got)
	}
}

// Many Dockerfiles on one base image: 23 common steps, 33 variants of the next,
// then all different, given in any order.
func TestOrderKeepsVariantsTogether(t *testing.T) {
	prefix := make([]string, 23)
	for i := range prefix {
		prefix[i] = fmt.Sprint("step", i)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	variant := make([]int, 612)
	var paths []string
	for job := range variant {
		variant[job] = rng.IntN(33)
		paths = append(paths, fmt.Sprintf("%s variant%02d own%d", strings.Join(prefix, " "), variant[job], job))
	}
	s, jobs := shared(paths...)
	seen := map[int]bool{}
	last := -1
	for _, job := range s.Order(jobs, nil, Costs{Weight: nameWeight(s)}) {
		if v := variant[job]; v != last {
			if seen[v] {
				t.Fatalf("the jobs of variant %d are apart", v)
			}
			seen[v], last = true, v
		}
	}
	if len(seen) != 33 {
		t.Errorf("%d variants, want 33", len(seen))
	}
}

// Whatever the jobs: each stands once in the order, those that share a path from
// the bottom stand together, and equal plans give equal orders.
func TestOrderKeepsSharersTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := NewShared()
		graphs := make([]Graph, rapid.IntRange(0, 30).Draw(rt, "jobs"))
		var jobs []int
		for job := range graphs {
			names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "bb", "ccc"}), 0, 4).Draw(rt, "steps")
			if rapid.Bool().Draw(rt, "own") {
				names = append(names, fmt.Sprint("own", job))
			}
			graphs[job] = path(names...)
			s.Set(job, graphs[job])
			jobs = append(jobs, job)
		}
		jobs = rapid.Permutation(jobs).Draw(rt, "given")
		weight := nameWeight(s)
		if rapid.Bool().Draw(rt, "weightless") {
			weight = func(int32) int64 { return 0 }
		}
		costs := Costs{Weight: weight}
		if rapid.Bool().Draw(rt, "took") {
			seconds := rapid.SliceOfN(rapid.IntRange(0, 3), len(jobs), len(jobs)).Draw(rt, "seconds")
			costs.Seconds = func(job int) float64 { return float64(seconds[job]) }
		}
		order := s.Order(jobs, nil, costs)
		if !slices.Equal(slices.Sorted(slices.Values(order)), slices.Sorted(slices.Values(jobs))) {
			rt.Fatalf("the order %v is no permutation of %v", order, jobs)
		}
		if !slices.Equal(order, s.Order(jobs, nil, costs)) {
			rt.Fatal("the second order is another")
		}
		if was, is := cost(s, s.Order(jobs, nil, Costs{Weight: weight}), weight), cost(s, order, weight); is != was {
			rt.Fatalf("how long jobs take makes it cost %d in %v, not %d", is, order, was)
		}
		for depth := range 5 {
			closed := map[ID]bool{}
			var last ID
			for _, job := range order {
				var id ID
				if v := graphs[job].Vertices; depth < len(v) {
					id = v[depth].ID
				}
				if id != last && id != (ID{}) && closed[id] {
					rt.Fatalf("sharers of %s are apart in %v", id, order)
				}
				last, closed[id] = id, true
			}
		}
	})
}

// cost is how long what jobs share is held in an order, in bytes times jobs.
func cost(s *Shared, order []int, weight func(int32) int64) (all int64) {
	first, last := map[int32]int{}, map[int32]int{}
	for at, job := range order {
		for _, v := range s.Path(job) {
			if _, seen := first[v]; !seen {
				first[v] = at
			}
			last[v] = at
		}
	}
	for v := range first {
		all += weight(v) * int64(last[v]-first[v])
	}
	return all
}

// Of jobs and subtrees that cost the cache the same, those go first that take long. What is
// not known of some is the mean of the others.
func TestLongJobsFirst(t *testing.T) {
	tests := []struct {
		name    string
		paths   []string
		seconds []float64
		want    []int
	}{
		{"nothing shared", []string{"a", "b", "c"}, []float64{1, 3, 2}, []int{1, 2, 0}},
		{"nothing known", []string{"a", "b", "c"}, []float64{0, 0, 0}, []int{0, 1, 2}},
		{"some not known", []string{"a", "b", "c", "d"}, []float64{1, 0, 3, 0}, []int{2, 1, 3, 0}},
		{"within a subtree", []string{"os a", "os b", "alone", "os c"}, []float64{1, 2, 90, 3}, []int{3, 1, 0, 2}},
		{"never before what weighs more", []string{"os a", "os b", "big c", "big d"}, []float64{50, 60, 1, 2}, []int{3, 2, 1, 0}},
		{"of subtrees that weigh the same", []string{"aa x", "aa y", "bb x", "bb y"}, []float64{1, 1, 1, 5}, []int{3, 2, 0, 1}},
		{"never between sharers", []string{"os env a", "os env b", "os c"}, []float64{1, 1, 9}, []int{0, 1, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, jobs := shared(tt.paths...)
			got := s.Order(jobs, nil, Costs{Weight: nameWeight(s), Seconds: func(job int) float64 { return tt.seconds[job] }})
			if !slices.Equal(got, tt.want) {
				t.Errorf("order %v, want %v", got, tt.want)
			}
		})
	}
}
