package cache

import (
	"fmt"
	"testing"

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
		{"that nobody remembers, on base images", Whole, true, false, none, "foreign: another build's"},
		{"remembered, on base images", Whole, true, true, none, "dead: all its jobs are finished: one"},
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
	const dead, doubted = "dead: all its jobs are finished: one", "foreign: another build's"
	for ms, ours := range map[int]string{-60_000: dead, -300: dead, 900: doubted, 1100: doubted, 1240: doubted, 60_000: dead} {
		v := view(Shared, one)
		v.Records = append(stack("a", env1), made(1000, "ours", "a2", run("make")), made(ms, "theirs", "a2", run("make")),
			rec("x0", "", "pulled from x@sha256:1"), made(ms, "apart", "x0", run("make")))
		v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1002)))
		finish(v, 0)
		check(t, Classify(v), "ours "+ours+"\ntheirs foreign: another build's\napart foreign: not of this plan")
	}
}

// What foreign records stand on is pinned, live or not; what only the plan's do is not, nor what a
// new record stands on: a build of the run may be at its making.
func TestPinned(t *testing.T) {
	one := job("one", "FROM env1 | RUN make")
	for _, before := range []bool{true, false} {
		v := view(Shared, one)
		v.Records = append(stack("a", env1), rec("theirs", "a1", run("other")), made(1000, "ours", "a2", run("make")))
		v.Memory.Made(madeAt(of(one, "RUN make"), at(1001)))
		want := 0
		if before {
			v.Before, want = map[string]struct{}{"theirs": {}}, 2 // a0 and a1
		}
		r := Classify(v)
		vertices, bytes := r.Pinned()
		if strange := r.Strange() > 0; len(vertices) != want || bytes != int64(want) || strange != before {
			t.Errorf("there before %t: pinned are the vertices %v with %d bytes, and there are strange ones %t", before, vertices, bytes, strange)
		}
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

func TestNothingAtAll(t *testing.T) {
	r := Classify(View{Needs: NewNeeds(nil)})
	if len(r.Verdicts) != 0 || r.Pick(Policy{LeftOver: true, Foreign: true}) != nil || r.Totals() != (Totals{}) || r.Tree().Layers != nil {
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
