package cache

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/layers"
)

// The images of the tests: two environments on one Debian, and a stranger.
var (
	debian = chain("docker.io/library/debian:12", "os deb")
	env1   = chain("registry/env:1", "os deb e1")
	env2   = chain("registry/env:2", "os deb e2")
	tools  = chain("registry/tools:1", "os t1 t2")
	alien  = chain("registry/alien:1", "os deb x")
)

func jobs(bases ...layers.Chain) []Job {
	var list []Job
	for i, c := range bases {
		list = append(list, Job{ID: i, Name: fmt.Sprint("job", i), Bases: []layers.Chain{c}})
	}
	return list
}

// want is what a test expects of a record: "id state reason-and-job".
type want struct {
	id     string
	state  State
	reason Reason
	job    int
}

func check(t *testing.T, r *Report, wants ...want) {
	t.Helper()
	for _, w := range wants {
		i := slices.IndexFunc(r.Records, func(rec Record) bool { return rec.ID == w.id })
		if got := r.Verdicts[i]; got.State != w.state || got.Reason != w.reason || got.Job != w.job {
			t.Errorf("%s is %s (%s, job %d), want %s (%s, job %d)", w.id, got.State, got.Reason, got.Job, w.state, w.reason, w.job)
		}
	}
	checkReport(t, r)
}

func TestPulledLayers(t *testing.T) {
	// env2's two lower layers are env1's records: a shared layer has one name.
	v := View{Needs: NewNeeds(jobs(env1, env2)), Before: set("a0 a1 x2"), Explain: func(d digest.Digest) (layers.Chain, bool) {
		return alien, d == alien.Digest
	}}
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), rec("x2", "a1", pulled(alien)), rec("u0", "", "pulled from gone@sha256:1"))

	check(t, Classify(v),
		want{"a0", Live, Needed, 0}, want{"a1", Live, Needed, 0}, want{"a2", Live, Needed, 0}, want{"b2", Live, Needed, 1},
		want{"x2", Foreign, NotOfPlan, NoJob}, want{"u0", Foreign, NotOfPlan, NoJob})

	v.Needs.Finish(0)
	r := Classify(v)
	check(t, r, want{"a0", Live, Needed, 1}, want{"a1", Live, Needed, 1}, want{"a2", Dead, Finished, 0}, want{"b2", Live, Needed, 1})
	if got := r.Verdicts[2]; got.Key != env1.Top() || got.Depth != 2 {
		t.Errorf("a2 is layer %s at depth %d, want %s at 2", got.Key, got.Depth, env1.Top())
	}
	if got := r.Verdicts[4]; got.Key != alien.Top() || got.Depth != 2 {
		t.Errorf("x2 is layer %s at depth %d, want %s at 2: it is explained, though foreign", got.Key, got.Depth, alien.Top())
	}

	v.Needs.Finish(1)
	check(t, Classify(v), want{"a0", Foreign, KeptByChild, NoJob}, want{"b2", Dead, Finished, 1})
	v.Needs.Unfinish(1)
	check(t, Classify(v), want{"b2", Live, Needed, 1}, want{"a2", Dead, Finished, 0})
}

func TestLayersThatOtherNamesExplain(t *testing.T) {
	for name, records := range map[string][]Record{
		"not pulled yet":    {rec("a0", "", ""), rec("a1", "a0", ""), rec("a2", "a1", pulled(env1))},
		"unknown name":      {rec("a0", "", "pulled from old@sha256:1"), rec("a1", "a0", "pulled from old@sha256:1"), rec("a2", "a1", pulled(env1))},
		"explained by disk": {rec("a0", "", pulled(alien)), rec("a1", "a0", pulled(alien)), rec("a2", "a1", pulled(env1))},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Needs: NewNeeds(jobs(env1)), Records: records, Explain: func(d digest.Digest) (layers.Chain, bool) {
				return alien, d == alien.Digest
			}}
			check(t, Classify(v), want{"a0", Live, Needed, 0}, want{"a1", Live, Needed, 0})
			v.Needs.Finish(0)
			check(t, Classify(v), want{"a0", Dead, Finished, 0}, want{"a1", Dead, Finished, 0})
		})
	}
}

func TestPlatformsOfOneIndexAreNeededTogether(t *testing.T) {
	idx := digest.FromString("index")
	amd, arm := chainAt("multi:1", idx, "os amd"), chainAt("multi:1", idx, "os arm more")
	v := View{Needs: NewNeeds(jobs(amd, arm)), Exclusive: true}
	v.Records = append(stack("a", amd), rec("m1", "a0", pulled(arm)), rec("m2", "m1", pulled(arm)), rec("run", "a1", "RUN"))
	v.Needs.Finish(0)
	check(t, Classify(v), want{"a1", Live, Needed, 1}, want{"m1", Live, Needed, 1}, want{"m2", Live, Needed, 1})
	v.Needs.Finish(1)
	check(t, Classify(v), want{"a1", Dead, Finished, 1}, want{"m2", Dead, Finished, 1}, want{"run", Dead, Finished, 0})
}

func TestStepsHangOnTheTopOfABase(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1, env2)), Exclusive: true}
	v.Records = append(stack("a", env1),
		rec("b2", "a1", pulled(env2)),
		rec("run1", "a2", "mount / from exec make"), rec("copy1", "run1", "[3/3] COPY . ."),
		rec("run2", "b2", "mount / from exec make"),
		rec("odd", "a1", "mount / from exec make")) // on a layer that no base image ends with
	v.Needs.Finish(0)
	r := Classify(v)
	check(t, r, want{"run1", Dead, Finished, 0}, want{"copy1", Dead, Finished, 0}, want{"a2", Dead, Finished, 0},
		want{"run2", Live, Needed, 1}, want{"odd", Live, Held, NoJob})
	if got := r.Owners(5); !slices.Equal(got, []int{0}) {
		t.Errorf("copy1 is of jobs %v, want 0", got)
	}
	if got := r.Owners(0); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("a0 is of jobs %v, want 0 and 1", got)
	}
	if got := r.Owners(7); got != nil {
		t.Errorf("odd is of jobs %v, want none", got)
	}
}

func TestMergesNeedAllTheirBasesInOneJob(t *testing.T) {
	list := []Job{{ID: 0, Bases: []layers.Chain{env1, tools}}, {ID: 1, Bases: []layers.Chain{env1}}, {ID: 2, Bases: []layers.Chain{tools}}}
	v := View{Needs: NewNeeds(list), Exclusive: true}
	v.Records = append(stack("a", env1), rec("t1", "a0", pulled(tools)), rec("t2", "t1", pulled(tools)),
		rec("content", "", "[2/2] COPY --link a /a"),
		rec("link", "a2 content", "[2/2] LINK COPY --link a /a"),
		rec("both", "a2 t2", "merge"), rec("diff", "both t2", "diff"))
	v.Needs.Finish(0)
	check(t, Classify(v), want{"both", Dead, Finished, 0}, want{"diff", Dead, Finished, 0},
		want{"link", Live, Needed, 1}, want{"content", Live, Held, NoJob}, want{"t2", Live, Needed, 2})
	v.Needs.Finish(1)
	check(t, Classify(v), want{"link", Dead, Finished, 1}, want{"content", Live, Held, NoJob})
	v.Needs.Finish(2)
	check(t, Classify(v), want{"content", Dead, RunOver, NoJob}, want{"a0", Dead, Finished, 2})
}

func TestWhoseStepItIs(t *testing.T) {
	for _, test := range []struct {
		name              string
		before, exclusive bool
		description       string
		state             State
		reason            Reason
	}{
		{"new on a private builder", false, true, "their RUN", Dead, Finished},
		{"old, the plan's step", true, true, "our RUN", Dead, Finished},
		{"old, another step", true, true, "their RUN", Foreign, OtherStep},
		{"new on a shared builder, the plan's step", false, false, "our RUN", Dead, Finished},
		{"new on a shared builder, another step", false, false, "their RUN", Foreign, OtherStep},
		{"old on a shared builder, the plan's step", true, false, "our RUN", Dead, Finished},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := View{Needs: NewNeeds(jobs(env1, env2)), Steps: ours, Exclusive: test.exclusive}
			v.Records = append(stack("a", env1), rec("step", "a2", test.description))
			if test.before {
				v.Before = set("step")
			}
			v.Needs.Finish(0)
			job := NoJob
			if test.state == Dead {
				job = 0
			}
			check(t, Classify(v), want{"step", test.state, test.reason, job})
		})
	}
}

func TestNoStepIsKnownWithoutAPredicate(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1)), Before: set("step"), Exclusive: true}
	v.Records = append(stack("a", env1), rec("step", "a2", "our RUN"))
	check(t, Classify(v), want{"step", Foreign, OtherStep, NoJob})
}

// A job's image is itself the base image of another job, was built by an earlier
// run on this builder, and so is not pulled: its layers are the steps' results.
func TestStepsOfAnEarlierRunMayBeLayers(t *testing.T) {
	built := chain("registry/built:1", "os deb e1 made")
	v := View{Needs: NewNeeds(jobs(env1, built)), Steps: ours, Exclusive: true}
	v.Records = append(stack("a", env1), rec("made", "a2", "our RUN"))
	v.Needs.Finish(0)
	v.Before = set("made")
	check(t, Classify(v), want{"made", Live, Needed, 1})
	v.Before = nil // what was made after the plan was resolved cannot be a layer of it
	check(t, Classify(v), want{"made", Dead, Finished, 0})
	v.Before = set("made")
	v.Needs.Finish(1)
	check(t, Classify(v), want{"made", Dead, Finished, 0})
}

func TestWhatHasNoBase(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1)), Steps: ours}
	mount := Record{ID: "mount", Kind: KindCacheMount, Description: "our mount"}
	context := Record{ID: "context", Kind: KindLocal, Description: "local source for context"}
	v.Records = []Record{rec("our", "", "[1/1] our COPY"), rec("their", "", "[1/1] their COPY"), rec("old", "", "[1/1] our COPY"),
		rec("above", "our", "their RUN"), rec("merged", "our our", "our merge"), mount, context, rec("lazy", "", "")}
	v.Before = set("old")

	check(t, Classify(v), want{"our", Live, Held, NoJob}, want{"their", Foreign, NotOfPlan, NoJob}, want{"old", Foreign, NotOfPlan, NoJob},
		want{"above", Foreign, NotOfPlan, NoJob}, want{"merged", Live, Held, NoJob},
		want{"mount", Foreign, NotOfPlan, NoJob}, want{"context", Foreign, NotOfPlan, NoJob}, want{"lazy", Foreign, NotOfPlan, NoJob})
	v.Exclusive = true
	check(t, Classify(v), want{"our", Live, Held, NoJob}, want{"their", Live, Held, NoJob}, want{"old", Foreign, NotOfPlan, NoJob},
		want{"mount", Live, Held, NoJob}, want{"context", Live, Held, NoJob}, want{"lazy", Live, Held, NoJob})
	v.Needs.Finish(0)
	check(t, Classify(v), want{"our", Dead, RunOver, NoJob}, want{"mount", Dead, RunOver, NoJob}, want{"old", Foreign, NotOfPlan, NoJob})
	v.Exclusive = false
	check(t, Classify(v), want{"our", Foreign, KeptByChild, NoJob}, want{"merged", Dead, RunOver, NoJob})
}

// A layer that is not pulled yet, on a base image's top, is not that image's
// step: what hangs on it must not die with the jobs of that base image.
func TestStepsOnLayersWithoutANameAreHeld(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(debian, env1)), Exclusive: true}
	v.Records = append(stack("a", debian), rec("lazy", "a1", ""), rec("content", "", "COPY --link"), rec("link", "lazy content", "LINK COPY"))
	v.Needs.Finish(0)
	check(t, Classify(v), want{"lazy", Live, Held, NoJob}, want{"link", Live, Held, NoJob}, want{"a1", Live, Needed, 1})
}

func TestOpaqueJobs(t *testing.T) {
	list := append(jobs(env1), Job{ID: 1, Opaque: true}, Job{ID: 2, Opaque: true, Bases: []layers.Chain{env2}})
	v := View{Needs: NewNeeds(list), Exclusive: true}
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), rec("run", "a2", "RUN"), rec("u0", "", "pulled from new@sha256:1"), rec("urun", "u0", "RUN"))
	if jobs, opaque := v.Needs.Unfinished(); jobs != 3 || opaque != 2 {
		t.Errorf("%d unfinished, %d opaque, want 3 and 2", jobs, opaque)
	}
	v.Needs.Finish(0)
	check(t, Classify(v), want{"run", Dead, Finished, 0}, want{"b2", Live, Needed, 2}, want{"u0", Live, Held, NoJob}, want{"urun", Live, Held, NoJob})
	v.Needs.Finish(2)
	check(t, Classify(v), want{"b2", Dead, Finished, 2}, want{"u0", Live, Held, NoJob})
	v.Needs.Finish(1)
	check(t, Classify(v), want{"u0", Dead, RunOver, NoJob}, want{"urun", Dead, RunOver, NoJob})
}

func TestAChildThatIsNotDeadKeepsItsParents(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1, env2)), Steps: ours}
	v.Records = append(stack("a", env1), rec("run", "a2", "our RUN"), rec("guest", "run", "their RUN"))
	v.Needs.Finish(0)
	check(t, Classify(v), want{"guest", Foreign, OtherStep, NoJob}, want{"run", Foreign, KeptByChild, NoJob}, want{"a2", Foreign, KeptByChild, NoJob})
	v.Exclusive = true
	v.Records = append(stack("a", env1), rec("run", "a2", "our RUN"), rec("held", "run", "pulled from x@sha256:1"))
	check(t, Classify(v), want{"held", Live, Held, NoJob}, want{"run", Live, KeptByChild, NoJob})
}

func TestUnreadableLineages(t *testing.T) {
	for name, records := range map[string][]Record{
		"missing parent": {rec("a", "gone", "our RUN")},
		"own parent":     {rec("a", "a", "our RUN")},
		"circle":         {rec("a", "b", "our RUN"), rec("b", "a", pulled(env1))},
		"above a circle": {rec("b", "b", "our RUN"), rec("a", "b", "our RUN")},
		"below is gone":  {rec("a", "b", "our RUN"), rec("b", "c", pulled(env1))},
		"twice":          {rec("a", "", "our RUN"), rec("a", "", pulled(env1))},
		"on one of two":  {rec("a", "b", "our RUN"), rec("b", "", "our RUN"), rec("b", "", "our RUN")},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Records: records, Needs: NewNeeds(jobs(env1)), Steps: ours, Exclusive: true}
			v.Needs.Finish(0)
			check(t, Classify(v), want{"a", Foreign, Unreadable, NoJob})
		})
	}
}

func TestDepthBeyondTheChainIsUnknown(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1)), Explain: func(digest.Digest) (layers.Chain, bool) { return debian, true }}
	v.Records = append(stack("a", env1), rec("a3", "a2", pulled(env1)))
	check(t, Classify(v), want{"a2", Live, Needed, 0}, want{"a3", Foreign, NotOfPlan, NoJob})
}

func TestNothingAtAll(t *testing.T) {
	r := Classify(View{Needs: NewNeeds(nil)})
	if len(r.Verdicts) != 0 || r.Removable() != nil || r.Held() != nil || r.Totals() != (Totals{}) || r.Tree().Layers != nil {
		t.Errorf("report of nothing = %+v", r)
	}
}

func TestAWideMergeIsNotAttributed(t *testing.T) {
	var list []layers.Chain
	var records []Record
	var tops []string
	for i := range maxLineage + 1 {
		c := chain(fmt.Sprint("img", i), fmt.Sprint("blob", i))
		list = append(list, c)
		id := fmt.Sprint("img", i, ".")
		records = append(records, stack(id, c)...)
		tops = append(tops, id+"0")
	}
	v := View{Needs: NewNeeds([]Job{{ID: 0, Bases: list}}), Exclusive: true}
	v.Records = append(records, rec("most", strings.Join(tops[1:], " "), "merge"), rec("all", strings.Join(tops, " "), "merge"))
	check(t, Classify(v), want{"most", Live, Needed, 0}, want{"all", Live, Held, NoJob})
}

func TestOrderOfRemoval(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1, env1, env2)), Exclusive: true}
	run1, run2 := rec("run1", "a2", "RUN"), rec("run2", "b2", "RUN")
	run1.LastUsedAt, run2.LastUsedAt = time.Unix(2, 0), time.Unix(1, 0)
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), run1, run2)
	for id := range 3 {
		v.Needs.Finish(id)
	}
	if got := ids(Classify(v).Removable()); got != "run2 run1 b2 a2 a1 a0" {
		t.Errorf("order %q: want steps by last use, then layers of one job before those of two and of three", got)
	}
	v.Records[4].InUse = true // run1
	r := Classify(v)
	if got := ids(r.Removable()); got != "run2 b2" {
		t.Errorf("order %q: want nothing of what run1, in use, stands on", got)
	}
	if got := r.Totals(); got.Dead.Records != 6 || got.Busy != (Sum{1, 1}) {
		t.Errorf("totals = %+v, want 6 dead, 1 of them busy", got)
	}
}

func TestHeldInOrderOfUse(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1)), Exclusive: true}
	for i, id := range strings.Fields("shared old new kept") {
		r := rec(id, "", "COPY --link")
		r.CreatedAt, r.LastUsedAt = time.Unix(1, 0), time.Unix([]int64{9, 2, 0, 1}[i], 0)
		v.Records = append(v.Records, r)
	}
	v.Records = append(v.Records, stack("a", env1)...)
	v.Records = append(v.Records, rec("link", "a2 kept", "LINK"))
	r := Classify(v)
	if got := ids(r.Held()); got != "new old shared" {
		t.Errorf("held %q, want the least recently used first and nothing with a child", got)
	}
	if got := r.Removable(); got != nil {
		t.Errorf("removable %v, want nothing", got)
	}
	if got := r.Totals().Held; got.Records != 4 {
		t.Errorf("totals have %d held, want 4", got.Records)
	}
}

func ids(list []Record) string {
	var s []string
	for _, r := range list {
		s = append(s, r.ID)
	}
	return strings.Join(s, " ")
}

func TestTree(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1, env2)), Exclusive: true}
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), rec("run", "a2", "RUN"), rec("copy", "run", "COPY"),
		rec("other", "", pulled(alien)), rec("loose", "", "COPY --link"), rec("link", "b2 loose", "LINK"))
	v.Needs.Finish(0)
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
		"a0 registry/env:1 live steps=0 {Live:4 Dead:3 Foreign:0}",
		" a1 registry/env:1 live steps=0 {Live:3 Dead:3 Foreign:0}",
		"  a2 registry/env:1 dead steps=2 {Live:0 Dead:3 Foreign:0}",
		"  b2 registry/env:2 live steps=1 {Live:2 Dead:0 Foreign:0}",
		"other registry/alien:1 live steps=0 {Live:1 Dead:0 Foreign:0}",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("tree:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if tree.Loose != (Bytes{Live: 1}) {
		t.Errorf("loose = %+v, want 1 live byte", tree.Loose)
	}
}

// The race detector judges this one; what it checks itself is that the counts
// are whole again afterwards.
func TestNeedsAndReportsInParallel(t *testing.T) {
	v := View{Needs: NewNeeds(jobs(env1, env2, debian)), Exclusive: true}
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), rec("run", "a2", "RUN"))
	var wg sync.WaitGroup
	for id := range 3 {
		wg.Go(func() {
			for range 50 {
				v.Needs.Finish(id)
				v.Needs.Unfinish(id)
			}
		})
		wg.Go(func() {
			for range 50 {
				r := Classify(v)
				checkReport(t, r)
				r.Evictable(func([]int) bool { return true })
				r.Own(id, func(Verdict) bool { return true })
			}
		})
	}
	wg.Wait()
	check(t, Classify(v), want{"run", Live, Needed, 0}, want{"b2", Live, Needed, 1}, want{"a1", Live, Needed, 0})
}

func TestWords(t *testing.T) {
	if got := fmt.Sprint(Foreign, Live, Dead); got != "foreign live dead" {
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
		pulled(debian):              "docker.io/library/debian:12 " + debian.Digest.String() + " true",
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
