package cache

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

func view(owner Ownership, jobs ...Job) View {
	return View{Needs: NewNeeds(jobs), Memory: NewMemory(nil, nil, nil), Owner: owner}
}

func finish(v View, jobs ...int) View {
	for _, j := range jobs {
		v.Needs.Finish(j)
	}
	return v
}

func TestPulledLayers(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1"), job("two", "FROM env2"))
	v.Before = set("x2 u0")
	v.Explain = func(d digest.Digest) ([]graph.ID, bool) {
		return graph.LayerIDs(alien.Digests), d.String() == alien.Digest
	}
	// env2's two lower layers are env1's records: a shared layer has one name.
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), rec("x2", "a1", pulled(alien)),
		rec("u0", "", "pulled from gone@sha256:1"), rec("n0", "", "pulled from new@sha256:1"), rec("a3", "a2", pulled(env1)))
	check(t, Classify(v), `
		a0 live: needed: one
		a1 live: needed: one
		a2 live: needed: one
		a3 live: held until the run ends
		b2 live: needed: two
		x2 left over: not of this plan
		u0 left over: not of this plan
		n0 live: held until the run ends`)
	finish(v, 0)
	check(t, Classify(v), `
		a0 live: needed: two
		a1 live: needed: two
		a2 live: kept by a child
		b2 live: needed: two`)
	v.Records = v.Records[:len(v.Records)-1]
	check(t, Classify(v), `a2 dead: all its jobs are finished: one`)
	finish(v, 1)
	check(t, Classify(v), `
		a0 left over: kept by a child
		a1 left over: kept by a child
		a2 dead: all its jobs are finished: one
		b2 dead: all its jobs are finished: two
		n0 dead: the run is over`)
}

// A name tells nothing where a layer was resolved and not pulled, or where a
// stranger's image pulled it first: what stands on it does.
func TestLayersWhoseNamesTellNothing(t *testing.T) {
	for name, records := range map[string][]Record{
		"not pulled yet":       {rec("a0", "", ""), rec("a1", "a0", "")},
		"a stranger's name":    {rec("a0", "", "pulled from old@sha256:1"), rec("a1", "a0", "pulled from old@sha256:1")},
		"explained":            {rec("a0", "", pulled(alien)), rec("a1", "a0", pulled(alien))},
		"nobody's name":        {rec("a0", "", "pulled from x"), rec("a1", "a0", "pulled from ")},
		"half of each of them": {rec("a0", "", ""), rec("a1", "a0", "pulled from old@sha256:1")},
	} {
		for _, owner := range []Ownership{Exclusive, Shared} {
			t.Run(fmt.Sprint(name, owner), func(t *testing.T) {
				v := view(owner, job("one", "FROM env1"), job("two", "FROM debian"))
				v.Explain = func(d digest.Digest) ([]graph.ID, bool) {
					return graph.LayerIDs(alien.Digests), d.String() == alien.Digest
				}
				v.Records = append(records, rec("a2", "a1", pulled(env1)))
				if name == "explained" && owner == Shared {
					// It is theirs who pulled it, but present all the same.
					check(t, Classify(v), "a0 foreign: another build's\na1 foreign: another build's\na2 live: needed: one")
					return
				}
				check(t, Classify(v), "a0 live: needed: one\na1 live: needed: one\na2 live: needed: one")
				finish(v, 0)
				check(t, Classify(v), "a0 live: needed: two\na1 live: needed: two\na2 dead: all its jobs are finished: one")
				finish(v, 1)
				check(t, Classify(v), "a0 dead: all its jobs are finished: two\na2 dead: all its jobs are finished: one")
			})
		}
	}
}

// The topmost layer has no layer above it. A step's result tells whose it is, once
// the moment tells whose the step is.
func TestAStepTellsOfTheLayersBelow(t *testing.T) {
	one := job("one", "FROM env1 | RUN make")
	v := view(Exclusive, one, job("two", "FROM env1 | RUN other"))
	v.Records = []Record{rec("a0", "", ""), rec("a1", "a0", "pulled from x@sha256:1"), rec("a2", "a1", "pulled from x@sha256:1"), made(100, "make", "a2", run("make"))}
	finish(v, 0)
	check(t, Classify(v), "make live: held until the run ends\na2 live: held until the run ends")
	v.Memory.Made(madeAt(of(one, "RUN make"), at(102)))
	check(t, Classify(v), `
		make dead: all its jobs are finished: one
		a2 live: needed: two
		a1 live: needed: two
		a0 live: needed: two`)
}

func TestPlatformsOfOneIndexAreNeededTogether(t *testing.T) {
	amd, arm := image("multi:1", "os amd"), image("multi:1", "os arm more")
	arm.Digest = amd.Digest
	v := view(Exclusive, Job{Name: "amd", Graph: graph.Upon(amd)}, Job{Name: "arm", Graph: graph.Upon(arm)})
	v.Records = append(stack("a", amd), rec("m1", "a0", pulled(arm)), rec("m2", "m1", pulled(arm)), rec("run", "m2", run("x")))
	finish(v, 0)
	check(t, Classify(v), "a1 live: needed: arm\nm1 live: needed: arm\nm2 live: needed: arm\nrun live: needed: arm")
	finish(v, 1)
	check(t, Classify(v), "a1 dead: all its jobs are finished: arm\nm2 dead: all its jobs are finished: arm\nrun dead: all its jobs are finished: arm")
}

func TestStepsStandOnWhatTheGraphSays(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | RUN make | COPY a"), job("two", "FROM env2 | RUN make | COPY b"))
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)),
		rec("run1", "a2", run("make")), rec("copy1", "run1", "[3/3] COPY a"), rec("copy2", "run1", "[3/3] COPY b"),
		rec("run2", "b2", run("make")), rec("odd", "a1", run("make")), rec("above", "odd", "[3/3] COPY a"))
	finish(v, 0)
	r := Classify(v)
	check(t, r, `
		run1 live: kept by a child
		copy1 dead: all its jobs are finished: one
		copy2 live: held until the run ends
		run2 live: needed: two
		odd live: held until the run ends
		above live: held until the run ends`)
	if got := r.Owners(5); !slices.Equal(got, []int{0}) {
		t.Errorf("copy1 is of jobs %v, want 0", got)
	}
	if got := r.Owners(0); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("a0 is of jobs %v, want 0 and 1", got)
	}
	if got := r.Owners(8); got != nil {
		t.Errorf("odd is of jobs %v, want none", got)
	}
}

// Steps that differ in an argument only have equal descriptions. The moments of
// their making tell them apart, unless these are too close.
func TestStepsThatDifferInAnArgument(t *testing.T) {
	one, two, three := job("one", "FROM env1 | RUN make #A=1"), job("two", "FROM env1 | RUN make #A=2"), job("three", "FROM env1 | RUN make #A=3")
	v := view(Exclusive, one, two, three)
	v.Records = append(stack("a", env1),
		made(1000, "r1", "a2", run("make")), made(5000, "r2", "a2", run("make")), made(5100, "r3", "a2", run("make")))
	finish(v, 0)
	check(t, Classify(v), "r1 live: needed: two\nr2 live: needed: two\nr3 live: needed: two")

	v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1002)))
	v.Memory.Made(madeAt(of(two, "RUN make #A=2"), at(5002)))
	v.Memory.Made(madeAt(of(three, "RUN make #A=3"), at(5103)))
	check(t, Classify(v), "r1 dead: all its jobs are finished: one\nr2 live: needed: two\nr3 live: needed: two")
	finish(v, 1)
	check(t, Classify(v), "r2 live: needed: three\nr3 live: needed: three")
	finish(v, 2)
	check(t, Classify(v), "r2 dead: all its jobs are finished: three\nr3 dead: all its jobs are finished: three")
}

// What a builder tells comes later than its records are listed. A record whose
// own making was not told yet is not taken for another's.
func TestAMakingThatWasNotToldYet(t *testing.T) {
	one, two := job("one", "FROM env1 | RUN make #A=1"), job("two", "FROM env1 | RUN make #A=2")
	v := view(Exclusive, one, two)
	v.Records = append(stack("a", env1), made(1000, "r1", "a2", run("make")), made(1100, "r2", "a2", run("make")))
	v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1002)))
	finish(v, 0)
	check(t, Classify(v), "r1 dead: all its jobs are finished: one\nr2 live: needed: two")
	v.Memory.Made(madeAt(of(two, "RUN make #A=2"), at(1550))) // late, but sure now
	check(t, Classify(v), "r1 dead: all its jobs are finished: one\nr2 live: needed: two")
}

func TestASharedPrefixUnderManyTails(t *testing.T) {
	var jobs []Job
	v := View{Memory: NewMemory(nil, nil, nil), Owner: Exclusive, Records: stack("a", env1)}
	v.Records = append(v.Records, made(100, "p1", "a2", run("setup")), made(200, "p2", "p1", "[3/9] COPY common"))
	for n := range 4 {
		variant := n / 2
		j := job(fmt.Sprint("job", n), fmt.Sprintf("FROM env1 | RUN setup | COPY common | RUN build #V=%d | RUN test %d", variant, n))
		jobs = append(jobs, j)
		built := fmt.Sprint("v", variant)
		if n%2 == 0 {
			v.Memory.Made(madeAt(of(j, fmt.Sprintf("RUN build #V=%d", variant)), at(1000+1000*n+3)))
			v.Records = append(v.Records, made(1000+1000*n, built, "p2", run("build")))
		}
		v.Records = append(v.Records, made(1500+1000*n, fmt.Sprint("t", n), built, run(fmt.Sprint("test ", n))))
	}
	v.Needs = NewNeeds(jobs)
	finish(v, 0)
	check(t, Classify(v), "p2 live: needed: job1\nv0 live: needed: job1\nt0 dead: all its jobs are finished: job0\nt1 live: needed: job1")
	finish(v, 2, 3)
	check(t, Classify(v), "p2 live: needed: job1\nv0 live: needed: job1\nv1 dead: all its jobs are finished: job3")
	finish(v, 1)
	check(t, Classify(v), "p1 dead: all its jobs are finished: job1\nv0 dead: all its jobs are finished: job1\na0 dead: all its jobs are finished: job1")
}

func TestLinks(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | LINK a | LINK b"), job("two", "FROM env2 | LINK a"), job("three", "FROM env2 | RUN x"))
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)),
		rec("a", "", "[2/3] LINK a"), rec("b", "", "[3/3] LINK b"),
		rec("ma", "a2 a", "[2/3] LINK LINK a"), rec("mab", "a2 a b", "[3/3] LINK LINK b"), rec("m2", "b2 a", "[2/2] LINK LINK a"),
		rec("swapped", "a a2", "[2/3] LINK LINK a"))
	check(t, Classify(v), `
		a live: needed: one
		b live: needed: one
		ma live: needed: one
		mab live: needed: one
		m2 live: needed: two
		swapped live: held until the run ends`)
	finish(v, 0)
	v.Records = v.Records[:len(v.Records)-1]
	check(t, Classify(v), `
		a live: needed: two
		b dead: all its jobs are finished: one
		ma dead: all its jobs are finished: one
		mab dead: all its jobs are finished: one
		a2 dead: all its jobs are finished: one
		m2 live: needed: two`)
	finish(v, 1)
	check(t, Classify(v), "a dead: all its jobs are finished: two\nm2 dead: all its jobs are finished: two\nb2 live: needed: three")
}

// What stands on nothing may be of any job that has such a step, on any base.
func TestStepsOnNothing(t *testing.T) {
	v := view(Exclusive, job("one", "COPY a | RUN x"), job("two", "COPY a #/other | RUN y"))
	v.Records = []Record{rec("copy", "", "[1/2] COPY a"), rec("x", "copy", run("x")), rec("z", "copy", run("z"))}
	finish(v, 0)
	check(t, Classify(v), "copy live: needed: two\nx dead: all its jobs are finished: one\nz live: held until the run ends")
}

// A builder stage's last result stands writable in the cache while nothing uses it,
// and says when its step began.
func TestMutableRecords(t *testing.T) {
	stages := func(arg string) []string {
		return []string{"FROM debian | RUN build #" + arg + " | AS builder", "FROM env1 | COPY --from=builder out"}
	}
	one, two := job("one", stages("A=1")...), job("two", stages("A=2")...)
	for _, owner := range []Ownership{Exclusive, Shared} {
		v := view(owner, one, two)
		r1, r2 := made(0, "r1", "a1", run("build")), made(1000, "r2", "a1", run("build"))
		r1.Mutable, r2.Mutable = true, true
		v.Records = append(stack("a", env1), r1, r2)
		v.Memory.Made(Making{Vertex: of(one, "RUN build #A=1"), Began: at(-10), Done: at(990)}) // a moment before two's began
		v.Memory.Made(Making{Vertex: of(two, "RUN build #A=2"), Began: at(992), Done: at(1990)})
		finish(v, 0)
		check(t, Classify(v), "r1 dead: all its jobs are finished: one\nr2 live: needed: two")
	}
}

// Only its place tells what an imported record may be.
func TestImportedCache(t *testing.T) {
	imagesByName["busybox"] = image("busybox", "bb")
	defer delete(imagesByName, "busybox")
	v := view(Exclusive, job("one", "FROM env1 | RUN a | RUN b"), job("two", "FROM env1 | RUN c"), job("three", "FROM busybox | LINK x"))
	v.Imports = true
	v.Records = []Record{rec("a0", "", "imported sha256:1"), rec("a1", "a0", "imported sha256:2"), rec("a2", "a1", "imported sha256:3"),
		rec("s1", "a2", "imported sha256:4"), rec("s2", "s1", "imported sha256:5"), rec("s3", "s2", "imported sha256:6"), rec("top", "s1", run("b"))}
	check(t, Classify(v), `
		a0 live: needed: one
		a2 live: needed: one
		s1 live: needed: one
		s2 live: needed: one
		s3 live: held until the run ends
		top live: needed: one`)
	v.Records = slices.Delete(v.Records, 5, 6)
	finish(v, 0)
	check(t, Classify(v), "a0 live: needed: two\ns1 live: needed: two\ns2 dead: all its jobs are finished: one\ntop dead: all its jobs are finished: one")
	finish(v, 1)
	check(t, Classify(v), "a0 live: needed: three\na1 dead: all its jobs are finished: two\ns1 dead: all its jobs are finished: two")
	finish(v, 2)
	check(t, Classify(v), "a0 dead: all its jobs are finished: three")
}

// On a shared builder what is imported is the plan's, by what its records say of
// themselves, and what others make meanwhile is not.
func TestImportedCacheOnASharedBuilder(t *testing.T) {
	one := job("one", "FROM env1 | RUN a | RUN b")
	v := view(Shared, one)
	v.Records = append(stack("a", env1), made(2000, "s1", "a2", "imported sha256:4"),
		made(-5000, "s2", "s1", run("b")), made(2000, "theirs", "s1", run("b")), made(-5000, "old", "s1", run("b")))
	v.Before = set("old")
	finish(v, 0)
	check(t, Classify(v), "s1 foreign: another build's\ns2 foreign: another build's")
	v.Imports = true
	v.Memory.Made(madeAt(graph.ID{1}, at(0)))
	v.Memory.Made(madeAt(of(one, "RUN a"), at(1000)))
	check(t, Classify(v), "s2 dead: all its jobs are finished: one\ntheirs foreign: another build's\nold foreign: another build's\ns1 foreign: kept by a child")
	v.Records = v.Records[:5]
	check(t, Classify(v), "s1 dead: all its jobs are finished: one\ns2 dead: all its jobs are finished: one")
}

// Layers that a failed pull left have no size and no name. They are any that may
// stand there, and keep nothing longer.
func TestLazyLayers(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1"), job("two", "FROM env2"), job("three", "FROM debian"))
	lazy := func(id, parents string) Record {
		r := rec(id, parents, "")
		r.Size = 0
		return r
	}
	v.Records = append(stack("a", debian), lazy("l2", "a1"), lazy("l0", ""), lazy("l1", "l0"), lazy("l3", "l2"))
	check(t, Classify(v), `
		l0 live: needed: one
		l1 live: needed: one
		l2 live: needed: one
		l3 live: held until the run ends`)
	v.Records = v.Records[:len(v.Records)-1]
	finish(v, 0)
	check(t, Classify(v), "l2 live: needed: two\na1 live: needed: two")
	finish(v, 1)
	check(t, Classify(v), "l2 dead: all its jobs are finished: two\na1 live: needed: three\nl1 live: needed: three")
	v.Owner = Shared
	check(t, Classify(v), "l0 live: needed: three\nl2 dead: all its jobs are finished: two")
}

// A base image's ONBUILD steps are steps of the job's graph like others.
func TestOnbuild(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | COPY package.json | RUN npm install | COPY ."))
	v.Records = append(stack("a", env1), rec("o1", "a2", "[1/4] COPY package.json"), rec("o2", "o1", run("npm install")), rec("own", "o2", "[4/4] COPY ."))
	check(t, Classify(v), "o1 live: needed: one\no2 live: needed: one\nown live: needed: one")
	finish(v, 0)
	check(t, Classify(v), "o1 dead: all its jobs are finished: one\nown dead: all its jobs are finished: one")
}

// An image that the builder made itself is not pulled: the results of its steps
// stand for its layers. The step above is found by its moment, and they from it.
func TestABaseImageThatTheBuilderMade(t *testing.T) {
	imagesByName["built"] = image("registry/built:1", "os deb made more")
	defer delete(imagesByName, "built")
	one := job("one", "FROM built | RUN make")
	two := job("two", "FROM built | RUN other")
	v := view(Exclusive, one, two)
	v.Before = set("s1 s2")
	v.Records = append(stack("a", debian), rec("s1", "a1", run("apt")), rec("s2", "s1", "[3/3] COPY x"), made(100, "m", "s2", run("make")))
	check(t, Classify(v), "a1 live: held until the run ends\ns1 live: kept by a child\ns2 live: kept by a child\nm live: held until the run ends")
	v.Memory.Made(madeAt(of(one, "RUN make"), at(103)))
	check(t, Classify(v), "a1 live: needed: one\ns1 live: needed: one\ns2 live: needed: one\nm live: needed: one")
	finish(v, 0)
	check(t, Classify(v), "s1 live: needed: two\ns2 live: needed: two\nm dead: all its jobs are finished: one")
	finish(v, 1)
	check(t, Classify(v), "s1 dead: all its jobs are finished: two\ns2 dead: all its jobs are finished: two")

	// Others' results stay theirs, new or old, and even where they are told of as layers.
	v.Owner = Shared
	check(t, Classify(v), "s1 foreign: another build's\ns2 foreign: another build's\nm dead: all its jobs are finished: one")
	v.Before, v.Memory = nil, NewMemory(nil, nil, nil)
	v.Memory.Made(madeAt(of(one, "RUN make"), at(103)))
	for range 2 {
		check(t, Classify(v), "s1 foreign: another build's\ns2 foreign: another build's\nm dead: all its jobs are finished: one")
	}
}

// One job's image is another job's base image, in one run: the steps' results are
// its layers, too.
func TestAJobOnAnotherJobsImage(t *testing.T) {
	imagesByName["built"] = image("registry/built:1", "os deb made")
	defer delete(imagesByName, "built")
	base, child := job("base", "FROM debian | RUN apt"), job("child", "FROM built | RUN make")
	v := view(Exclusive, base, child, job("sibling", "FROM built | RUN other"))
	v.Records = append(stack("a", debian), made(100, "s", "a1", run("apt")), made(1000, "m", "s", run("make")))
	v.Memory.Made(madeAt(of(base, "RUN apt"), at(102)))
	finish(v, 0)
	check(t, Classify(v), "s live: kept by a child\nm live: held until the run ends")
	v.Memory.Made(madeAt(of(child, "RUN make"), at(1002)))
	check(t, Classify(v), "s live: needed: child\nm live: needed: child")
	finish(v, 1)
	check(t, Classify(v), "s live: needed: sibling\nm dead: all its jobs are finished: child")
	finish(v, 2)
	check(t, Classify(v), "s dead: all its jobs are finished: sibling")
}

// A builder takes a COPY's result for that of another COPY of equal content. What
// stands on it tells.
func TestACopyOfEqualContent(t *testing.T) {
	one := job("one", "FROM env1 | COPY a #/one | RUN pip #/one | RUN x")
	two := job("two", "FROM env1 | COPY a #/two | RUN pip #/two | RUN y")
	v := view(Exclusive, one, two)
	v.Records = append(stack("a", env1), made(100, "copy", "a2", "[2/4] COPY a"), made(1000, "pip", "copy", run("pip")), made(5000, "y", "pip", run("y")))
	v.Memory.Made(madeAt(of(one, "COPY a #/one"), at(102)))
	v.Memory.Made(madeAt(of(one, "RUN pip #/one"), at(1002)))
	v.Memory.Made(madeAt(of(two, "RUN y"), at(5002)))
	finish(v, 0)
	check(t, Classify(v), "copy live: needed: two\npip live: needed: two\ny live: needed: two")
	finish(v, 1)
	check(t, Classify(v), "copy dead: all its jobs are finished: two\npip dead: all its jobs are finished: two\ny dead: all its jobs are finished: two")
}

func TestWhatIsNoStep(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | RUN make"))
	v.Before = set("old pulled")
	v.Records = []Record{
		{ID: "pulled", Kind: KindFrontend, Description: "pulled from docker.io/docker/dockerfile:1@sha256:1"},
		{ID: "mount", Kind: KindCacheMount, Description: "cached mount /root/.cache from exec make"},
		{ID: "context", Kind: KindLocal, Description: "local source for context"},
		{ID: "frontend", Kind: KindFrontend, Description: "pulled from docker.io/docker/dockerfile:1@sha256:1"},
		{ID: "git", Kind: KindGit, Description: "git snapshot for x"},
		{ID: "internal", Kind: KindInternal, Description: run("make")},
		{ID: "old", Kind: KindLocal, Description: "local source for context"},
		rec("asked", "", AskedAbout+"Dockerfile"), rec("odd", "", "what is this"),
	}
	check(t, Classify(v), `
		pulled live: held until the run ends
		mount foreign: a cache mount
		context live: held until the run ends
		frontend live: held until the run ends
		git live: held until the run ends
		internal live: held until the run ends
		old left over: not of this plan
		asked dead: all its jobs are finished
		odd live: held until the run ends`)
	finish(v, 0)
	check(t, Classify(v), `
		pulled left over: not of this plan
		mount foreign: a cache mount
		context dead: the run is over
		frontend dead: the run is over
		old left over: not of this plan
		asked dead: all its jobs are finished`)
	v.Owner = Shared
	check(t, Classify(v), `
		pulled foreign: not of this plan
		mount foreign: a cache mount
		context foreign: not of this plan
		frontend foreign: not of this plan
		internal foreign: not of this plan
		old foreign: not of this plan
		asked dead: all its jobs are finished
		odd foreign: not of this plan`)
}

func TestWhoseStepItIs(t *testing.T) {
	one := job("one", "FROM env1 | RUN make")
	none, here, elsewhere := 0, 1002, 60_000
	for _, tt := range []struct {
		name       string
		owner      Ownership
		before     bool
		remembered bool
		made       int // when the plan's step was made
		want       string
	}{
		{"new on one's own builder", Exclusive, false, false, none, "dead: all its jobs are finished: one"},
		{"old on one's own builder", Exclusive, true, false, none, "dead: all its jobs are finished: one"},
		{"made by the run", Shared, false, false, here, "dead: all its jobs are finished: one"},
		{"made by nobody yet", Shared, false, false, none, "foreign: another build's"},
		{"made at no moment of the run's", Shared, false, false, elsewhere, "foreign: another build's"},
		{"old", Shared, true, false, none, "foreign: another build's"},
		{"old, at a moment of this run", Shared, true, false, here, "foreign: another build's"},
		{"old and remembered", Shared, true, true, none, "dead: all its jobs are finished: one"},
		{"whoever made it", Whole, true, false, none, "dead: all its jobs are finished: one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := view(tt.owner, one)
			v.Records = append(stack("a", env1), made(1000, "step", "a2", run("make")))
			if tt.before {
				v.Before = set("step")
			}
			if tt.remembered {
				v.Memory = NewMemory(map[string]graph.ID{"step": of(one, "RUN make")}, nil, nil)
			}
			if tt.made != none {
				v.Memory.Made(madeAt(of(one, "RUN make"), at(tt.made)))
			}
			finish(v, 0)
			check(t, Classify(v), "step "+tt.want)
		})
	}
}

// What another build makes of a step with the same text is not the plan's: one
// making leaves one record, and of two that may be it the nearer is. What stands
// elsewhere is somebody else's as long as the plan's own is there.
func TestAStrangersStepOfTheSameText(t *testing.T) {
	one := job("one", "FROM env1 | RUN make #A=1")
	for _, ms := range []int{-60_000, -300, 900, 1100, 1240, 60_000} {
		v := view(Shared, one)
		v.Records = append(stack("a", env1), made(1000, "ours", "a2", run("make")), made(ms, "theirs", "a2", run("make")),
			rec("x0", "", "pulled from x@sha256:1"), made(ms, "apart", "x0", run("make")))
		v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1002)))
		finish(v, 0)
		check(t, Classify(v), "ours dead: all its jobs are finished: one\ntheirs foreign: another build's\napart foreign: not of this plan")
	}
}

func TestLayersOnASharedBuilder(t *testing.T) {
	v := view(Shared, job("one", "FROM env1"))
	v.Records = append(stack("a", env1), rec("x2", "a1", pulled(alien)))
	v.Before = set("a0")
	finish(v, 0)
	check(t, Classify(v), "a0 foreign: another build's\na1 foreign: kept by a child\na2 dead: all its jobs are finished: one\nx2 foreign: not of this plan")
	v.Records = v.Records[:3]
	check(t, Classify(v), "a0 foreign: another build's\na1 dead: all its jobs are finished: one")
}

// What foreign records stand on is pinned, live or not; what only the plan's do is not.
func TestPinned(t *testing.T) {
	one := job("one", "FROM env1 | RUN make")
	v := view(Shared, one)
	v.Records = append(stack("a", env1), rec("theirs", "a1", run("other")), made(1000, "ours", "a2", run("make")))
	v.Memory.Made(madeAt(of(one, "RUN make"), at(1001)))
	r := Classify(v)
	vertices, bytes := r.Pinned()
	if len(vertices) != 2 || bytes != 2 {
		t.Errorf("pinned are the vertices %v with %d bytes, want those of a0 and a1", vertices, bytes)
	}
}

// What a run finds out a later one knows, though all is old to it.
func TestWhatIsRemembered(t *testing.T) {
	one := job("one", "FROM env1 | RUN make #A=1 | COPY x")
	two := job("two", "FROM env1 | RUN make #A=2")
	v := view(Shared, one, two)
	v.Records = append(stack("a", env1), made(1000, "r1", "a2", run("make")), made(5000, "r2", "a2", run("make")), made(5100, "x", "r1", "[3/3] COPY x"),
		rec("theirs", "r2", run("other")))
	v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1001)))
	v.Memory.Made(madeAt(of(two, "RUN make #A=2"), at(5001)))
	v.Memory.Made(madeAt(of(one, "COPY x"), at(5103)))
	Classify(v)
	known := v.Memory.Known()
	for id, line := range map[string]string{"r1": "RUN make #A=1", "x": "COPY x"} {
		if known[id] != of(one, line) {
			t.Errorf("%s is remembered as %s", id, known[id])
		}
	}
	if _, is := known["theirs"]; is || len(known) != 6 {
		t.Errorf("%d records are remembered, want 6 without theirs", len(known))
	}

	later := view(Shared, one, two)
	later.Records, later.Before = v.Records, set("a0 a1 a2 r1 r2 x theirs")
	later.Memory = NewMemory(known, nil, nil)
	finish(later, 0)
	check(t, Classify(later), `
		r1 dead: all its jobs are finished: one
		x dead: all its jobs are finished: one
		r2 live: needed: two
		a2 live: needed: two
		theirs foreign: not of this plan`)
	later.Records = later.Records[:4]
	Classify(later)
	if got := len(later.Memory.Known()); got != 4 {
		t.Errorf("%d records are remembered after others are gone, want 4", got)
	}
}

// A run that ended before it looked knows when steps were made; the next run finds
// the records.
func TestMomentsOfAnEarlierRun(t *testing.T) {
	one := job("one", "FROM env1 | RUN make")
	first := NewMemory(nil, nil, nil)
	first.Made(madeAt(of(one, "RUN make"), at(1002)))
	first.Made(madeAt(of(one, "RUN make"), at(1002)))
	if got := first.Makings(); len(got) != 1 || got[0] != madeAt(of(one, "RUN make"), at(1002)) {
		t.Errorf("moments %v", got)
	}
	v := view(Shared, one)
	v.Memory, v.Before = NewMemory(nil, first.Makings(), nil), set("step")
	v.Records = append(stack("a", env1), made(1000, "step", "a2", run("make")), made(1001, "theirs", "a2", run("make")))
	finish(v, 0)
	check(t, Classify(v), "step dead: all its jobs are finished: one\ntheirs foreign: another build's")
}

// A run that was killed while it made a step was not told when that was done. The next
// knows what it left, but not what was there before, nor takes what comes later for it.
func TestStepsOfAKilledRun(t *testing.T) {
	one := job("one", "FROM env1 | RUN make")
	first := NewMemory(nil, nil, nil)
	first.Made(Making{Vertex: of(one, "RUN make"), Began: at(1000)})
	v := view(Shared, one)
	v.Memory, v.Before = NewMemory(nil, first.Makings(), nil), set("before left")
	v.Records = append(stack("a", env1), made(500, "before", "a2", run("make")), made(9000, "left", "a2", run("make")), made(20_000, "later", "a2", run("make")))
	finish(v, 0)
	check(t, Classify(v), "before foreign: another build's\nleft dead: all its jobs are finished: one\nlater foreign: another build's")

	done := Making{Vertex: of(one, "RUN make"), Began: at(1000), Done: at(9002)}
	first.Made(done)
	if got := first.Makings(); len(got) != 1 || got[0] != done {
		t.Errorf("once it is done, it is remembered as %v", got)
	}
}

// keeper notes what a memory tells.
type keeper struct{ told []string }

func (k *keeper) Made(m Making) { k.told = append(k.told, "made "+m.Vertex.String()) }
func (k *keeper) Found(record string, vertex graph.ID) {
	k.told = append(k.told, record+" "+vertex.String())
}

func TestTheKeeperIsToldWhatIsNew(t *testing.T) {
	one := job("one", "FROM env1 | RUN make")
	k := &keeper{}
	v := view(Exclusive, one)
	v.Memory = NewMemory(nil, nil, k)
	v.Records = []Record{made(1000, "step", "", run("make"))}
	v.Records = append(stack("a", env1), made(1000, "step", "a2", run("make")))
	v.Memory.Made(madeAt(of(one, "RUN make"), at(1002)))
	v.Memory.Made(madeAt(of(one, "RUN make"), at(1002)))
	Classify(v)
	Classify(v)
	made := of(one, "RUN make").String()
	if len(k.told) != 5 || k.told[0] != "made "+made || !slices.Contains(k.told, "step "+made) {
		t.Errorf("told %q, want the making, three layers and the step", k.told)
	}
}

func TestAChildThatStaysKeepsItsParents(t *testing.T) {
	// What the parent and the child are by themselves, and what the parent becomes.
	one, two := job("one", "FROM env1 | RUN dead"), job("two", "FROM env1 | RUN dead | RUN live")
	for _, tt := range []struct {
		owner         Ownership
		parent, child string // records of the list below
		want          string
	}{
		{Exclusive, "dead", "dead2", "dead: all its jobs are finished: one"},
		{Exclusive, "dead", "held", "live: kept by a child"},
		{Exclusive, "dead", "mount", "foreign: kept by a child"},
		{Exclusive, "dead", "old", "left over: kept by a child"},
		{Exclusive, "old", "dead2", "left over: not of this plan"},
		{Exclusive, "old", "old2", "left over: not of this plan"},
		{Exclusive, "old", "held", "live: kept by a child"},
		{Exclusive, "old", "mount", "foreign: kept by a child"},
		{Exclusive, "held", "mount", "live: held until the run ends"},
		{Shared, "dead", "old", "foreign: kept by a child"},
		{Shared, "dead", "dead2", "dead: all its jobs are finished: one"},
		{Shared, "old", "dead2", "foreign: not of this plan"},
	} {
		t.Run(fmt.Sprint(tt.owner, tt.parent, tt.child), func(t *testing.T) {
			records := map[string]Record{
				"dead":  made(1000, "dead", "a2", run("dead")),
				"dead2": made(2000, "dead2", "", AskedAbout+"x"),
				"held":  rec("held", "", "what is this"),
				"mount": {ID: "mount", Kind: KindCacheMount},
				"old":   rec("old", "", "what is that"),
				"old2":  rec("old2", "", "what was that"),
			}
			parent, child := records[tt.parent], records[tt.child]
			child.Parents = append(child.Parents, parent.ID)
			v := view(tt.owner, one, job("three", "FROM env2"))
			v.Memory.Made(madeAt(of(one, "RUN dead"), at(1001)))
			v.Before = set("old old2")
			v.Records = append(stack("a", env1), parent, child)
			finish(v, 0)
			check(t, Classify(v), parent.ID+" "+tt.want)
		})
	}
	// A live child keeps before a foreign one, and that before one that is left over.
	v := view(Exclusive, one, two)
	v.Before = set("old")
	v.Records = append(stack("a", env1), rec("dead", "a2", run("dead")), Record{ID: "mount", Parents: []string{"dead"}, Kind: KindCacheMount},
		rec("old", "dead", "what is that"))
	finish(v, 0, 1)
	check(t, Classify(v), "dead foreign: kept by a child\na2 foreign: kept by a child")
	v = finish(view(Exclusive, one, job("three", "FROM env2")), 0)
	v.Records = append(stack("a", env1), rec("dead", "a2", run("dead")), Record{ID: "mount", Parents: []string{"dead"}, Kind: KindCacheMount}, rec("held", "dead", "what is this"))
	check(t, Classify(v), "dead live: kept by a child\na2 live: kept by a child")
}

func TestUnreadableLineages(t *testing.T) {
	for name, records := range map[string][]Record{
		"missing parent": {rec("a", "gone", run("make"))},
		"own parent":     {rec("a", "a", run("make"))},
		"circle":         {rec("a", "b", run("make")), rec("b", "a", pulled(env1))},
		"above a circle": {rec("b", "b", run("make")), rec("a", "b", run("make"))},
		"below is gone":  {rec("a", "b", run("make")), rec("b", "c", pulled(env1))},
		"twice":          {rec("a", "", run("make")), rec("a", "", pulled(env1))},
		"on one of two":  {rec("a", "b", run("make")), rec("b", "", run("make")), rec("b", "", run("make"))},
	} {
		t.Run(name, func(t *testing.T) {
			v := finish(view(Exclusive, job("one", "FROM env1 | RUN make"), job("two", "RUN make")), 0, 1)
			v.Records = records
			check(t, Classify(v), "a foreign: unreadable lineage")
		})
	}
}

// Of some jobs only the base images are known: whatever stands on these may be
// theirs, also what is some other job's step.
func TestJobsWithoutSteps(t *testing.T) {
	one := job("one", "FROM env1 | RUN make | RUN test")
	v := view(Exclusive, one, Job{Name: "opaque", Graph: graph.Upon(env1)}, Job{Name: "unknown"})
	v.Records = append(stack("a", env1), rec("make", "a2", run("make")), rec("test", "make", run("test")), rec("more", "make", run("more")),
		rec("content", "", "[2/2] COPY --link x"), rec("link", "a2 content", "[2/2] LINK COPY --link x"))
	finish(v, 0)
	check(t, Classify(v), `
		make live: needed: opaque
		test live: needed: opaque
		more live: needed: opaque
		link live: needed: opaque
		content live: held until the run ends`)
	if !v.Needs.Learn(1, job("opaque", "FROM env1 | RUN other").Graph) {
		t.Error("what it really does is no news")
	}
	check(t, Classify(v), `
		make live: kept by a child
		test dead: all its jobs are finished: one
		more live: held until the run ends
		a2 live: needed: opaque`)
}

func TestNothingAtAll(t *testing.T) {
	r := Classify(View{Needs: NewNeeds(nil)})
	if len(r.Verdicts) != 0 || r.Removable() != nil || r.LeftOver() != nil || r.Totals() != (Totals{}) || r.Tree().Layers != nil {
		t.Errorf("report of nothing = %+v", r)
	}
}

func TestWords(t *testing.T) {
	if got := fmt.Sprint(Foreign, Live, Dead, LeftOver); got != "foreign live dead left over" {
		t.Errorf("states print as %q", got)
	}
	seen := map[string]bool{}
	for r := NotOfPlan; r <= RunOver; r++ {
		if s := r.String(); s == "" || seen[s] {
			t.Errorf("reason %d prints as %q", r, s)
		} else {
			seen[s] = true
		}
	}
}

func TestPulledName(t *testing.T) {
	for in, want := range map[string]string{
		pulled(debian):              debian.Ref + " " + debian.Digest + " true",
		"pulled from x":             "x  true",
		"[1/2] COPY pulled from x@": "  false",
		"":                          "  false",
	} {
		ref, d, ok := pulledName(in)
		if got := fmt.Sprintf("%s %s %t", ref, d, ok); got != want {
			t.Errorf("pulledName(%q) = %q, want %q", in, got, want)
		}
	}
}

// The race detector judges this one; what it checks itself is that the counts
// are whole at the end.
func TestNeedsMemoryAndReportsInParallel(t *testing.T) {
	jobs := []Job{job("one", "FROM env1 | RUN make #A=1"), job("two", "FROM env2 | RUN make #A=2"), job("three", "FROM debian")}
	v := view(Shared, jobs...)
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), made(1000, "run", "a2", run("make")))
	var wg sync.WaitGroup
	for id := range 3 {
		wg.Go(func() {
			for n := range 50 {
				v.Memory.Made(madeAt(of(jobs[n%2], fmt.Sprintf("RUN make #A=%d", n%2+1)), at(1001+n*n)))
				v.Needs.Learn(2, job("three", fmt.Sprint("FROM debian | RUN ", n%3)).Graph)
				v.Memory.Known()
				v.Memory.Makings()
			}
			v.Needs.Finish(id)
		})
		wg.Go(func() {
			for range 50 {
				r := Classify(v)
				r.Removable()
				r.Evictable(func(w Wanting) bool { return w.First() != NoJob })
				r.Own(id, func(Verdict) bool { return true })
				r.Sizes()
			}
		})
	}
	wg.Wait()
	v.Owner = Exclusive
	check(t, Classify(v), "run dead: all its jobs are finished: one\nb2 dead: all its jobs are finished: two")
	if open := slices.IndexFunc(v.Needs.open, func(n int32) bool { return n != 0 }); open >= 0 {
		t.Errorf("vertex %d is needed by %d jobs when all are finished", open, v.Needs.open[open])
	}
}

// Equal views give equal reports, whatever the order of the records.
func TestTheOrderOfRecordsTellsNothing(t *testing.T) {
	one, two := job("one", "FROM env1 | RUN make #A=1 | LINK a"), job("two", "FROM env1 | RUN make #A=2 | LINK a")
	v := view(Exclusive, one, two)
	v.Records = append(stack("a", env1), made(1000, "r1", "a2", run("make")), made(1100, "r2", "a2", run("make")), rec("c", "", "[3/3] LINK a"),
		rec("l1", "r1 c", "[3/3] LINK LINK a"), rec("l2", "r2 c", "[3/3] LINK LINK a"), made(1000, "far", "", run("make")))
	v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1001)))
	v.Memory.Made(madeAt(of(two, "RUN make #A=2"), at(1101)))
	finish(v, 0)
	want := map[string]Verdict{}
	for n := range 20 {
		v.Memory = NewMemory(v.Memory.Known(), nil, nil)
		v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1001)))
		v.Memory.Made(madeAt(of(two, "RUN make #A=2"), at(1101)))
		v.Records = append(v.Records[n%3+1:], v.Records[:n%3+1]...)
		r := Classify(v)
		for i, rec := range r.Records {
			if n == 0 {
				want[rec.ID] = r.Verdicts[i]
			} else if r.Verdicts[i] != want[rec.ID] {
				t.Fatalf("%s is %+v in another order, was %+v", rec.ID, r.Verdicts[i], want[rec.ID])
			}
		}
	}
}

func TestTree(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | RUN make | COPY x"), job("two", "FROM env2 | LINK a"))
	v.Before = set("old")
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), rec("run", "a2", run("make")), rec("copy", "run", "[3/3] COPY x"),
		rec("other", "", pulled(alien)), rec("loose", "", "[2/2] LINK a"), rec("link", "b2 loose", "[2/2] LINK LINK a"), rec("old", "", "what is that"))
	finish(v, 0)
	tree := Classify(v).Tree()

	var lines []string
	var walk func(indent string, list []*Branch)
	walk = func(indent string, list []*Branch) {
		for _, b := range list {
			lines = append(lines, fmt.Sprintf("%s%s %s %s steps=%d %+v", indent, b.Record.ID, b.Ref, b.Verdict.State, b.Steps.Records, b.Total))
			walk(indent+" ", b.Layers)
		}
	}
	walk("", tree.Layers)
	want := []string{
		"a0 registry/env:1 live steps=0 {Live:4 Dead:3 Foreign:0 LeftOver:0}",
		" a1 registry/env:1 live steps=0 {Live:3 Dead:3 Foreign:0 LeftOver:0}",
		"  a2 registry/env:1 dead steps=2 {Live:0 Dead:3 Foreign:0 LeftOver:0}",
		"  b2 registry/env:2 live steps=1 {Live:2 Dead:0 Foreign:0 LeftOver:0}",
		"other registry/alien:1 live steps=0 {Live:1 Dead:0 Foreign:0 LeftOver:0}",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("tree:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if tree.Loose != (Bytes{Live: 1, LeftOver: 1}) {
		t.Errorf("loose = %+v, want 1 live byte and 1 left over", tree.Loose)
	}
}

func TestOrdersOfRemoval(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | RUN 1"), job("two", "FROM env1 | RUN 2"), job("three", "FROM env2 | RUN 3"))
	used := func(seconds int64, r Record) Record {
		r.LastUsedAt = time.Unix(seconds, 0)
		return r
	}
	v.Before = set("old new")
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)),
		used(3, rec("r1", "a2", run("1"))), used(2, rec("r2", "a2", run("2"))), used(1, rec("r3", "b2", run("3"))),
		used(9, rec("new", "", "what is this")), used(4, rec("old", "", "what is that")))
	if got := ids(Classify(v).Evictable(func(Wanting) bool { return true })); got != "r3 b2 r2 r1 a2 a1 a0" {
		t.Errorf("evictable %q: want what is needed latest first", got)
	}
	if got := ids(Classify(v).Evictable(func(w Wanting) bool { return w.First() == 2 || w.Only(1) })); got != "r3 b2 r2" {
		t.Errorf("evictable %q: want what is allowed", got)
	}
	if got := ids(Classify(v).Own(0, func(Verdict) bool { return true })); got != "r1" {
		t.Errorf("own %q: want what no other unfinished job needs", got)
	}
	if got := ids(Classify(v).LeftOver()); got != "old new" {
		t.Errorf("left over %q: want the least recently used first", got)
	}
	finish(v, 0, 1, 2)
	if got := ids(Classify(v).Removable()); got != "r3 r2 r1 b2 a2 a1 a0" {
		t.Errorf("order %q: want steps by last use, then layers of few jobs before those of many", got)
	}
	v.Records[4].InUse = true // r1
	r := Classify(v)
	if got := ids(r.Removable()); got != "r3 r2 b2" {
		t.Errorf("order %q: want nothing of what r1, in use, stands on", got)
	}
	if got := r.Totals(); got.Dead.Records != 7 || got.Busy != (Sum{1, 1}) || got.LeftOver.Records != 2 {
		t.Errorf("totals = %+v, want 7 dead, 1 of them busy, and 2 left over", got)
	}
	v.Owner, v.Before, v.Memory = Shared, nil, nil
	if got := ids(Classify(v).Foreign()); got != "r3 b2 r2 old new" {
		t.Errorf("foreign %q: want the least recently used first, and nothing in use", got)
	}
}
