package cache

import (
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

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

func TestLayersOnASharedBuilder(t *testing.T) {
	v := view(Shared, job("one", "FROM env1"))
	v.Records = append(stack("a", env1), rec("x2", "a1", pulled(alien)))
	v.Before = set("a0")
	finish(v, 0)
	check(t, Classify(v), "a0 foreign: another build's\na1 foreign: kept by a child\na2 dead: all its jobs are finished: one\nx2 foreign: not of this plan")
	v.Records = v.Records[:3]
	check(t, Classify(v), "a0 foreign: another build's\na1 dead: all its jobs are finished: one")
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
