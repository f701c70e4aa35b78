package cache

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stoker-build/stoker/internal/graph"
)

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

// Nor had it seen yet which layers it had pulled. The next knows them by when their image
// was pulled, but not what was there before, or came later.
func TestPullsOfAKilledRun(t *testing.T) {
	one, two := job("one", "FROM env1 | RUN make"), job("two", "FROM env2 | RUN make")
	pulls := func(i graph.ImageLayers) graph.ID { return graph.LayerIDs(i.Digests)[2] }
	first := NewMemory(nil, nil, nil)
	first.Made(Making{Vertex: pulls(env1), Began: at(1000), Done: at(3000)})
	first.Made(Making{Vertex: pulls(env2), Began: at(9000)}) // when it was killed
	v := view(Shared, one, two)
	v.Memory, v.Before = NewMemory(nil, first.Makings(), nil), set("os deb e1 late e2")
	v.Records = []Record{made(500, "os", "", pulled(debian)), made(1010, "deb", "os", pulled(env1)), made(1020, "e1", "deb", pulled(env1)),
		made(5000, "late", "deb", pulled(env1)), made(9100, "e2", "deb", pulled(env2))}
	finish(v, 0)
	want := `
		os foreign: another build's
		deb live: needed: two
		e1 dead: all its jobs are finished: one
		late foreign: another build's
		e2 live: needed: two`
	check(t, Classify(v), want)
	v.Memory = NewMemory(v.Memory.Known(), nil, nil)
	check(t, Classify(v), want)
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
				r.Pick(Policy{})
				r.Evictable(func(w Wanting) bool { return w.First() != NoJob })
				r.Own(id, func(Verdict) bool { return true })
				r.Sizes()
			}
		})
	}
	wg.Wait()
	v.Owner = Exclusive
	check(t, Classify(v), "run dead: all its jobs are finished: one\nb2 dead: all its jobs are finished: two")
	if open := slices.IndexFunc(v.Needs.all.open, func(n int32) bool { return n != 0 }); open >= 0 {
		t.Errorf("vertex %d is needed by %d jobs when all are finished", open, v.Needs.all.open[open])
	}
}
