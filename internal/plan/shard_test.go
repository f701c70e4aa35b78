package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pieces are jobs some of which read what others make.
func pieces(rt *rapid.T, links bool) []piece {
	all := make([]piece, rapid.IntRange(0, 60).Draw(rt, "jobs"))
	for i := range all {
		all[i].likeness = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 3, 3).Draw(rt, "likeness")
		all[i].makes = []string{fmt.Sprint("image", i)}
		if links && rapid.IntRange(0, 3).Draw(rt, "linked") == 0 {
			all[i].read = []string{fmt.Sprint("image", rapid.IntRange(0, len(all)).Draw(rt, "reads"))}
		}
	}
	return all
}

func TestEachJobIsInOneShard(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := pieces(rt, true)
		n := rapid.IntRange(1, 12).Draw(rt, "n")
		shards := cut(units(all), n)
		in := map[int]int{} // shard by job
		for k, s := range shards {
			for _, i := range s {
				if _, twice := in[i]; twice {
					rt.Fatalf("job %d is in two shards", i)
				}
				in[i] = k
			}
		}
		if len(shards) != n || len(in) != len(all) {
			rt.Fatalf("%d of %d jobs in %d shards of %d", len(in), len(all), len(shards), n)
		}
		for i, p := range all {
			for j, other := range all {
				if len(p.read) > 0 && slices.Contains(other.makes, p.read[0]) && in[i] != in[j] {
					rt.Fatalf("job %d is apart from job %d, on whose image it is built", i, j)
				}
			}
		}
	})
}

func TestSizesOfShards(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := pieces(rt, rapid.Bool().Draw(rt, "links"))
		n := rapid.IntRange(1, 12).Draw(rt, "n")
		whole := units(all)
		largest := 1
		for _, u := range whole {
			largest = max(largest, len(u))
		}
		least := len(all)
		shards := cut(whole, n)
		for _, s := range shards {
			least = min(least, len(s))
		}
		if largest == 1 && longest(shards)-least > 1 {
			rt.Fatalf("sizes differ by more than one: %v", shards)
		}
		if share := (len(all) + n - 1) / n; longest(shards) > share+largest {
			rt.Fatalf("a shard has %d jobs, of %d in %d shards, of which %d hang together at most", longest(shards), len(all), n, largest)
		}
	})
}

// Likes are next to each other: each cut parts one group of likes at most.
func TestLikesStayTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := pieces(rt, false)
		n := rapid.IntRange(1, 12).Draw(rt, "n")
		parted := 0
		for _, like := range []string{"a", "b", "c"} {
			within := 0
			for _, s := range cut(units(all), n) {
				if slices.ContainsFunc(s, func(i int) bool { return all[i].likeness[0] == like }) {
					within++
				}
			}
			parted += max(within-1, 0)
		}
		if parted > n-1 {
			rt.Fatalf("%d shards part likes %d times", n, parted)
		}
	})
}

func TestShardsOfAnInput(t *testing.T) {
	const text = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN true\n"
	bases := []string{"x/two:1", "y/one:1", "x/one:1", "y/two:1", "r.example/out:docker-io-x-two"}
	of := func(shard string) (names []string, notes string) {
		s := spec(t, text)
		s.TagTemplates = []string{"r.example/out:{{slug .Repo}}"}
		var err error
		if s.Shard, err = ParseShard(shard); err != nil {
			t.Fatal(err)
		}
		p, err := newPlan(t, s, images(bases...))
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range p.Jobs {
			names = append(names, j.Base)
		}
		return names, strings.Join(p.Notes, "\n")
	}
	for _, tt := range []struct{ shard, want string }{
		{"1/1", "x/two:1 y/one:1 x/one:1 y/two:1 r.example/out:docker-io-x-two"},
		// What is built on another's image stays with it, and the order is the input's.
		{"1/2", "x/two:1 x/one:1 r.example/out:docker-io-x-two"},
		{"2/2", "y/one:1 y/two:1"},
	} {
		names, notes := of(tt.shard)
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("shard %s: %s, want %s", tt.shard, got, tt.want)
		}
		if tt.shard != "1/1" && !strings.Contains(notes, fmt.Sprintf("shard %s: %d of 5 jobs", tt.shard, len(names))) {
			t.Errorf("shard %s: notes %q", tt.shard, notes)
		}
	}
	if names, _ := of("9/9"); len(names) != 0 {
		t.Errorf("more shards than jobs: the last one has %s", names)
	}
}

// A Dockerfile's own FROM counts, too, and that all hang together is said.
func TestShardsThatHangTogether(t *testing.T) {
	s := spec(t, "ARG BASE_IMAGE\nFROM r.example/out:a AS tools\nFROM ${BASE_IMAGE}\nCOPY --from=tools /a /a\n")
	s.TagTemplates = []string{"r.example/out:{{.Name}}"}
	s.Shard = Shard{Number: 1, Of: 3}
	p, err := newPlan(t, s, images("a", "b", "c", "d"))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Jobs) != 4 || !strings.Contains(strings.Join(p.Notes, "\n"), "the shards are uneven") {
		t.Errorf("%d jobs, notes %q", len(p.Jobs), p.Notes)
	}
}

func TestParseShard(t *testing.T) {
	for _, good := range []string{"1/1", "3/12"} {
		if s, err := ParseShard(good); err != nil || s.String() != good {
			t.Errorf("%s: %s, %v", good, s, err)
		}
	}
	for _, bad := range []string{"", "1", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/3/4", "1.5/3"} {
		if s, err := ParseShard(bad); err == nil || !strings.Contains(err.Error(), "shard I of N") {
			t.Errorf("%q: %s, %v", bad, s, err)
		}
	}
}
