package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// find returns the number of a vertex that must be there.
func (s *Shared) mustFind(t testing.TB, id ID) int32 {
	t.Helper()
	v, known := s.Find(id)
	if !known {
		t.Fatalf("%s is not known", id)
	}
	return v
}

// names are the names of vertices, sorted.
func (s *Shared) names(vertices []int32) string {
	var out []string
	for _, v := range vertices {
		out = append(out, s.Name(v))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestSet(t *testing.T) {
	s, _ := shared("os env a", "os env b", "os c")
	if len(s.paths) != 3 || s.Len() != 5 {
		t.Fatalf("%d jobs with %d vertices, want 3 with 5", len(s.paths), s.Len())
	}
	os, env := s.Path(0)[0], s.Path(0)[1]
	if got := s.JobsOf(os); !slices.Equal(got, []int32{0, 1, 2}) {
		t.Errorf("os is of jobs %v", got)
	}
	if got := s.JobsOf(env); !slices.Equal(got, []int32{0, 1}) {
		t.Errorf("env is of jobs %v", got)
	}
	if got := s.Inputs(env); !slices.Equal(got, []int32{os}) {
		t.Errorf("env is made from %v", got)
	}
	if d, on := s.Result(env, 0); s.Results(env) != 1 || d != "env" || !slices.Equal(on, []int32{os}) {
		t.Errorf("env leaves %q on %v", d, on)
	}
	if got := s.Path(7); got != nil {
		t.Errorf("the path of no job: %v", got)
	}

	a := s.Path(0)[2]
	s.Set(0, path("os", "d"))
	if got := s.JobsOf(a); len(got) != 0 {
		t.Errorf("what no job has any more is of jobs %v", got)
	}
	if got := s.JobsOf(env); !slices.Equal(got, []int32{1}) {
		t.Errorf("env is of jobs %v after job 0 got another graph", got)
	}
	if got := s.names(s.Path(0)); got != "d os" {
		t.Errorf("job 0 has %q", got)
	}
	if _, known := s.Find(s.ID(a)); !known || s.Name(a) != "a" {
		t.Error("a is forgotten")
	}
	s.Set(0, path("os", "env", "a"))
	if got := s.Path(0); got[2] != a || !slices.Equal(s.JobsOf(env), []int32{0, 1}) || s.Len() != 6 {
		t.Errorf("a is another when it comes back: %v", got)
	}
	s.Set(5, path("os"))
	if len(s.paths) != 6 || len(s.Path(4)) != 0 {
		t.Errorf("%d jobs, want 6, the fifth without a graph", len(s.paths))
	}
}

// However graphs are set and replaced, the jobs of vertices are those whose last
// graph has them.
func TestSetFollowsTheLastGraph(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := NewShared()
		last := map[int]Graph{}
		for range rapid.IntRange(1, 20).Draw(rt, "sets") {
			job := rapid.IntRange(0, 5).Draw(rt, "job")
			last[job] = path(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 4).Draw(rt, "steps")...)
			s.Set(job, last[job])
		}
		want := map[ID][]int32{}
		for job := range 6 {
			for _, v := range last[job].Vertices {
				want[v.ID] = append(want[v.ID], int32(job))
			}
		}
		for v := range int32(s.Len()) {
			if got := s.JobsOf(v); !slices.Equal(got, want[s.ID(v)]) {
				rt.Fatalf("%s is of jobs %v, want %v", s.Name(v), got, want[s.ID(v)])
			}
		}
	})
}

func TestPlacesOfRecords(t *testing.T) {
	layers := ImageLayers{Ref: "r/os", Digest: "sha256:os", Digests: []string{"os", "deb"}}
	var g Graph
	image, vertices := layers.vertices()
	g.add(vertices...)
	g.addAnything(image)
	deb := image.Layers[1]
	step := func(name, description string, on ...ID) ID {
		id := identify(name)
		g.add(Vertex{ID: id, Kind: Step, Name: name, Inputs: on, Results: []Result{{description, on}}})
		return id
	}
	make1 := step("make1", "make", deb)
	make2 := step("make2", "make", deb)
	content := step("content", "COPY --link x")
	step("link", "LINK COPY --link x", make1, content)
	step("unnamed", "", make2)
	two := identify("two")
	g.add(Vertex{ID: two, Kind: Step, Name: "two", Inputs: []ID{deb}, Results: []Result{{"mount / from exec x", []ID{deb}}, {"mount /o from exec x", nil}}})
	s := NewShared()
	s.Set(0, g)

	on := func(id ID) int32 {
		if id == (ID{}) {
			return Nothing
		}
		return s.mustFind(t, id)
	}
	for _, tt := range []struct {
		what string
		got  []int32
		want string
	}{
		{"make upon deb", s.Upon(on(deb), "make"), "make1 make2"},
		{"make upon nothing", s.Upon(Nothing, "make"), ""},
		{"the content upon nothing", s.Upon(Nothing, "COPY --link x"), "content"},
		{"the merge upon make1", s.Upon(on(make1), "LINK COPY --link x"), "link"},
		{"the merge upon its content", s.Upon(on(content), "LINK COPY --link x"), ""},
		{"a second output upon nothing", s.Upon(Nothing, "mount /o from exec x"), "two"},
		{"what has no name", s.Upon(on(make2), ""), "unnamed"},
		{"above deb", s.Above(on(deb)), "make1 make2 two"},
		{"above make1", s.Above(on(make1)), "link"},
		{"above nothing", s.Above(Nothing), "content two"},
		{"layers upon nothing", s.Layers(Nothing), "r/os"},
		{"layers upon os", s.Layers(on(image.Layers[0])), "r/os"},
		{"layers upon deb", s.Layers(on(deb)), ""},
	} {
		if got := s.names(tt.got); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
	if got := s.Anything(on(deb)); len(got) != 1 || s.Kind(got[0]) != Any {
		t.Errorf("anything upon deb: %v", got)
	}
	if got := s.Anything(on(image.Layers[0])); len(got) != 0 {
		t.Errorf("anything upon os: %v", got)
	}
	if got := s.LayersTo(on(deb)); !slices.Equal(got, image.Layers) {
		t.Errorf("the layers to deb are %v", got)
	}
	if below, has := s.ResultOn(on(two), "mount /o from exec x"); !has || len(below) != 0 {
		t.Errorf("the second output of two: %v %t", below, has)
	}
	if below, has := s.ResultOn(s.Path(0)[s.Len()-2], "whatever"); !has || !slices.Equal(below, []int32{on(make2)}) {
		t.Errorf("what has no name is not called whatever: %v %t", below, has)
	}
	if _, has := s.ResultOn(on(make1), "cake"); has {
		t.Error("make is called cake")
	}
}

// What a COPY is called is not part of what it does: its record has the name that
// the job gave it which made it, whichever that is.
func TestOneStepByTwoNames(t *testing.T) {
	named := func(name string) Graph {
		g := path("os", "copy")
		g.Vertices[1].Results[0].Description = name
		return g
	}
	s := NewShared()
	s.Set(0, named("COPY --from=0 a b"))
	s.Set(1, named("COPY --from=builder a b"))
	s.Set(2, named("COPY --from=builder a b"))
	os := s.Path(0)[0]
	for _, name := range []string{"COPY --from=0 a b", "COPY --from=builder a b"} {
		found := s.Upon(os, name)
		if s.names(found) != "copy" || len(found) != 1 {
			t.Errorf("%q is found %d times: %q", name, len(found), s.names(found))
			continue
		}
		if on, has := s.ResultOn(found[0], name); !has || !slices.Equal(on, []int32{os}) {
			t.Errorf("%q stands on %v", name, on)
		}
	}
	if s.Results(s.Path(0)[1]) != 1 || s.Len() != 2 {
		t.Error("a second name made a second record")
	}
}

// The digest of an index stands for the layers of all its platforms.
func TestChains(t *testing.T) {
	image := func(platform string) ImageLayers {
		return ImageLayers{Ref: "r/multi", Digest: "sha256:index", Manifest: "sha256:" + platform, Digests: []string{"os" + platform, "x"}}
	}
	s := NewShared()
	both := Upon(image("amd"))
	both.Join(Upon(image("arm")))
	s.Set(0, both)
	s.Set(1, Upon(image("arm")))
	chains := s.Chains("sha256:index")
	if len(chains) != 2 || !slices.Equal(s.LayersTo(chains[0][1]), LayerIDs([]string{"osamd", "x"})) || !slices.Equal(s.LayersTo(chains[1][1]), LayerIDs([]string{"osarm", "x"})) {
		t.Errorf("chains of the index: %v", chains)
	}
	if arm := s.Chains("sha256:arm"); len(arm) != 1 || !slices.Equal(arm[0], chains[1]) {
		t.Errorf("chains of one platform: %v", arm)
	}
	if got := s.Chains("sha256:unheard"); got != nil {
		t.Errorf("chains of an unknown digest: %v", got)
	}
	if got := s.Chains(""); got != nil {
		t.Errorf("chains of no digest: %v", got)
	}
	s.AddImages([]Image{{Digest: "sha256:moved", Layers: LayerIDs([]string{"osarm", "x"})}})
	if moved := s.Chains("sha256:moved"); len(moved) != 1 || !slices.Equal(moved[0], chains[1]) {
		t.Errorf("chains of a digest that came later: %v", moved)
	}
}

func TestSizesOfLayers(t *testing.T) {
	image := ImageLayers{Ref: "a", Digests: []string{"os", "a"}}
	s := NewShared()
	s.Set(0, Upon(image))
	top := s.mustFind(t, LayerIDs(image.Digests)[1])
	if s.Size(top) != 0 {
		t.Errorf("a size of %d that nobody told", s.Size(top))
	}
	s.SetSize(s.ID(top), 7)
	s.SetSize(identify("unheard"), 7)
	s.Set(1, Upon(image))
	if s.Size(top) != 7 {
		t.Errorf("a size of %d, want 7: another job that does not know it takes nothing away", s.Size(top))
	}
	image.Sizes = []int64{5, 6}
	s.Set(2, Upon(image))
	if s.Size(top) != 6 {
		t.Errorf("a size of %d, want 6", s.Size(top))
	}
}

// many makes the graphs of jobs with 30 steps: the first 23 are of one of the
// prefixes, which share their first 10 steps by tens. It is what many graphs read
// from definitions are: nothing in them is shared.
func many(jobs, prefixes int) []Graph {
	graphs := make([]Graph, jobs)
	for job := range graphs {
		prefix := job % prefixes
		names := make([]string, 30)
		for i := range names {
			switch {
			case i < 10:
				names[i] = fmt.Sprintf("[%2d/30] RUN group %d step %d", i, prefix%(prefixes/10), i)
			case i < 23:
				names[i] = fmt.Sprintf("[%2d/30] RUN prefix %d step %d", i, prefix, i)
			default:
				names[i] = fmt.Sprintf("[%2d/30] RUN job %d step %d", i, job, i)
			}
		}
		graphs[job] = path(names...)
	}
	return graphs
}

func BenchmarkShared(b *testing.B) {
	graphs := many(100_000, 2000)
	jobs := make([]int, len(graphs))
	for i := range jobs {
		jobs[i] = i
	}
	b.ReportAllocs()
	for b.Loop() {
		s := NewShared()
		for job, g := range graphs {
			s.Set(job, g)
		}
		if len(s.Order(jobs, nil, Costs{Weight: func(int32) int64 { return 1 }})) != len(jobs) {
			b.Fatal("jobs are missing")
		}
	}
}

// What a layer is by itself is learned from whoever knows it: who knows only how layers stand
// upon each other may have come first.
func TestContentIsLearned(t *testing.T) {
	digests := []string{"os", "tools"}
	s := NewShared()
	s.Set(0, UponLayers("base", "digest", LayerIDs(digests)))
	s.Set(1, Upon(ImageLayers{Ref: "base", Digests: digests}))
	s.Set(2, UponLayers("base", "digest", LayerIDs(digests)))
	s.Set(3, Upon(ImageLayers{Ref: "other", Digests: []string{"another os", "tools"}}))
	top, other := s.Path(0)[1], s.Path(3)[1]
	if got := s.Content(top); got == (ID{}) || got != s.Content(other) || top == other {
		t.Errorf("one layer is %v, and %v upon another", got, s.Content(other))
	}
}
