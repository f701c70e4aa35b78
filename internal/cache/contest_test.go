package cache

import "testing"

const (
	deadOfOne = "dead: all its jobs are finished: one"
	anothers  = "foreign: another build's"
)

// Once the plan's own record is gone, another's of the same text and about the same time
// is not taken for it: what made it has left its record.
func TestAStrangersStepWhenTheOwnIsGone(t *testing.T) {
	one := job("one", "FROM env1 | RUN make #A=1")
	ours, theirs := made(1000, "ours", "a2", run("make")), made(1200, "theirs", "a2", run("make"))
	stillMutable := theirs
	stillMutable.Mutable = true
	making := madeAt(of(one, "RUN make #A=1"), at(1002))
	t.Run("in the same run", func(t *testing.T) {
		v := view(Shared, one)
		v.Memory.Made(making)
		finish(v, 0)
		v.Records = append(stack("a", env1), ours)
		check(t, Classify(v), "ours "+deadOfOne)
		v.Records = append(stack("a", env1), theirs)
		for range 2 {
			check(t, Classify(v), "theirs "+anothers)
		}
		v.Memory.Made(madeAt(making.Vertex, at(9002))) // made anew
		v.Records = append(stack("a", env1), theirs, made(9000, "again", "a2", run("make")))
		check(t, Classify(v), "theirs "+anothers+"\nagain "+deadOfOne)
	})
	t.Run("in a resumed run", func(t *testing.T) {
		v := view(Shared, one)
		v.Memory.Made(making)
		v.Records = append(stack("a", env1), ours)
		Classify(v)
		known, makings := v.Memory.Known(), v.Memory.Makings()
		v = view(Shared, one)
		v.Memory, v.Before = NewMemory(known, makings, nil), set("a0 a1 a2 theirs")
		finish(v, 0)
		v.Records = append(stack("a", env1), stillMutable)
		for range 2 {
			check(t, Classify(v), "theirs "+anothers)
		}
	})
}

// Where steps of one text cannot be told apart, they are the plan's as long as there are
// no more than it has made.
func TestAStrangerAmongStepsOfOneText(t *testing.T) {
	one, two := job("one", "FROM env1 | RUN make #A=1"), job("two", "FROM env1 | RUN make #A=2")
	v := view(Shared, one, two)
	v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1002)))
	v.Memory.Made(madeAt(of(two, "RUN make #A=2"), at(1102)))
	v.Records = append(stack("a", env1), made(1000, "r1", "a2", run("make")), made(1100, "r2", "a2", run("make")))
	check(t, Classify(v), "r1 live: needed: one\nr2 live: needed: one")

	v = view(Shared, one, two)
	v.Memory.Made(madeAt(of(one, "RUN make #A=1"), at(1002)))
	v.Memory.Made(madeAt(of(two, "RUN make #A=2"), at(1102)))
	v.Records = append(stack("a", env1), made(1000, "r1", "a2", run("make")), made(1050, "theirs", "a2", run("make")), made(1100, "r2", "a2", run("make")))
	finish(v, 0, 1)
	check(t, Classify(v), "r1 "+anothers+"\ntheirs "+anothers+"\nr2 "+anothers)
}

// A making leaves one record, mutable or not. Another's that is the other kind is no second one.
func TestAStrangersRecordOfTheOtherKind(t *testing.T) {
	one := job("one", "FROM env1 | RUN make #A=1")
	mutable := func(ms int, id string) Record {
		r := made(ms, id, "a2", run("make"))
		r.Mutable = true
		return r
	}
	fresh := func() View {
		v := view(Shared, one)
		v.Memory.Made(Making{Vertex: of(one, "RUN make #A=1"), Began: at(1000), Done: at(1502)})
		return finish(v, 0)
	}
	ours, oursAtFirst := made(1500, "ours", "a2", run("make")), mutable(1001, "first")
	for _, began := range []int{1050, 1300, 1900} {
		v := fresh()
		theirs := mutable(began, "theirs")
		v.Records = append(stack("a", env1), ours, theirs)
		r := Classify(v)
		if state := r.Verdicts[len(v.Records)-1].State; state != Foreign {
			t.Errorf("beside ours theirs, begun at %d ms, is %v", began, state)
		}
		v.Records = append(stack("a", env1), theirs)
		check(t, Classify(v), "theirs "+anothers) // also when ours is gone
	}
	v := fresh() // ours gives way to another record, and comes back
	for _, r := range []Record{oursAtFirst, ours, oursAtFirst} {
		v.Records = append(stack("a", env1), r)
		check(t, Classify(v), r.ID+" "+deadOfOne)
	}
	v.Records = append(stack("a", env1), mutable(1300, "theirs"))
	check(t, Classify(v), "theirs "+anothers)
}
