package cache

import (
	"maps"
	"testing"
)

// What was found in the cache tells nothing of what a job makes.
func TestOwnIsOfWhatWasMade(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | RUN a | RUN b"))
	v.Records = append(stack("a", env1), rec("a", "a2", run("a")), rec("b", "a", run("b")))
	for i := range v.Records {
		v.Records[i].Size = 10
	}
	finish(v, 0)
	for _, tt := range []struct {
		before string
		own    int64
	}{{"", 20}, {"a", 20}, {"a b", 0}} {
		v.Before = set(tt.before)
		if got := Classify(v).Sizes().Own[0]; got != tt.own {
			t.Errorf("with %q there before, the job is said to have made %d, want %d", tt.before, got, tt.own)
		}
	}
}

// What those need that are built on a job is the job's own all the same; what others have, too, is nobody's.
func TestOwnIsWithWhatIsBuiltOnIt(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | RUN both | RUN a"), job("on it", "FROM env1 | RUN both | RUN a | RUN b"),
		job("on that", "FROM env1 | RUN both | RUN a | RUN b | RUN c"), job("other", "FROM env1 | RUN both"))
	v.Needs.BuiltOn(1, []int{0})
	v.Needs.BuiltOn(2, []int{1})
	v.Records = append(stack("a", env1), rec("both", "a2", run("both")), rec("a", "both", run("a")), rec("b", "a", run("b")))
	for i := range v.Records {
		v.Records[i].Size = 10
	}
	for finished, want := range []map[int]int64{{0: 10}, {0: 10, 1: 10}} {
		finish(v, finished)
		if got := Classify(v).Sizes().Own; !maps.Equal(got, want) {
			t.Errorf("with %d finished they are said to have made %v, want %v", finished+1, got, want)
		}
	}
}
