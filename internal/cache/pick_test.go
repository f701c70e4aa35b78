package cache

import (
	"testing"
	"time"
)

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
	if got := ids(Classify(v).Pick(Policy{LeftOver: true})); got != "old new" {
		t.Errorf("left over %q: want the least recently used first", got)
	}
	finish(v, 0, 1, 2)
	if got := ids(Classify(v).Pick(Policy{})); got != "r3 r2 r1 b2 a2 a1 a0" {
		t.Errorf("order %q: want steps by last use, then layers of few jobs before those of many", got)
	}
	v.Records[4].InUse = true // r1
	r := Classify(v)
	if got := ids(r.Pick(Policy{})); got != "r3 r2 b2" {
		t.Errorf("order %q: want nothing of what r1, in use, stands on", got)
	}
	if got := ids(r.Pick(Policy{LeftOver: true})); got != "r3 r2 b2 old new" {
		t.Errorf("order %q: want what is dead before what is left over", got)
	}
	if got := r.Totals(); got.Dead.Records != 7 || got.Busy != (Sum{1, 1}) || got.LeftOver.Records != 2 {
		t.Errorf("totals = %+v, want 7 dead, 1 of them busy, and 2 left over", got)
	}
	v.Owner, v.Before, v.Memory = Shared, nil, nil
	if got := ids(Classify(v).Pick(Policy{Foreign: true})); got != "r3 b2 r2 old new" {
		t.Errorf("foreign %q: want the least recently used first, and nothing in use", got)
	}
}
