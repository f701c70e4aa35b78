package cache

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stoker-build/stoker/internal/graph"
)

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

// A base image's ONBUILD steps are steps of the job's graph like others.
func TestOnbuild(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | COPY package.json | RUN npm install | COPY ."))
	v.Records = append(stack("a", env1), rec("o1", "a2", "[1/4] COPY package.json"), rec("o2", "o1", run("npm install")), rec("own", "o2", "[4/4] COPY ."))
	check(t, Classify(v), "o1 live: needed: one\no2 live: needed: one\nown live: needed: one")
	finish(v, 0)
	check(t, Classify(v), "o1 dead: all its jobs are finished: one\nown dead: all its jobs are finished: one")
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
