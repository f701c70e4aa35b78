package cache

import "testing"

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
