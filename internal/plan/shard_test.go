package plan

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

// pieces are jobs some of which read what others make.
func pieces(rt *rapid.T, links bool) []piece {
	all := make([]piece, rapid.IntRange(0, 60).Draw(rt, "jobs"))
	for i := range all {
		all[i].graph = graph.Lines(append(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 3, 3).Draw(rt, "steps"), fmt.Sprint(i))...)
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
		shards := newRow(all).cut(n)
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
		r := newRow(all)
		largest := 1
		for _, u := range r.units {
			largest = max(largest, len(u))
		}
		least := len(all)
		shards := r.cut(n)
		for _, s := range shards {
			least = min(least, len(s))
		}
		share := float64(len(all)) / float64(n)
		apart := float64(longest(shards) - least)
		if moved := 4*math.Floor(share*leeway) + 1; largest == 1 && apart > moved {
			rt.Fatalf("sizes differ by more than %.0f: %v", moved, shards)
		}
		if most := share + 2*math.Floor(share*leeway) + 1 + float64(largest); float64(longest(shards)) > most {
			rt.Fatalf("a shard has %d jobs, of %d in %d shards, of which %d hang together at most", longest(shards), len(all), n, largest)
		}
	})
}

// Each cut parts one group of jobs that begin alike at most.
func TestLikesStayTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := pieces(rt, false)
		n := rapid.IntRange(1, 12).Draw(rt, "n")
		parted := 0
		for _, like := range []string{"a", "b", "c"} {
			within := 0
			for _, s := range newRow(all).cut(n) {
				if slices.ContainsFunc(s, func(i int) bool { return all[i].graph.Vertices[0].Name == like }) {
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

// A group is left whole where that makes a shard hardly larger or smaller.
func TestCutBetweenGroups(t *testing.T) {
	var all []piece
	for project, size := range []int{11, 9, 10, 10} {
		for i := range size {
			all = append(all, piece{graph: graph.Lines("os", fmt.Sprint("project ", project), fmt.Sprint(i))})
		}
	}
	var sizes []int
	for _, s := range newRow(all).cut(4) {
		sizes = append(sizes, len(s))
	}
	if !slices.Equal(sizes, []int{11, 9, 10, 10}) {
		t.Errorf("sizes %v, want those of the projects", sizes)
	}
}

// A machine where an argument or a directory of all jobs is another comes to the same cut.
func TestCutIsTheSameElsewhere(t *testing.T) {
	const jobs, shards = 30, 4
	texts := map[string]string{}
	var ids []string
	for i := range jobs {
		id := fmt.Sprint("task-", i)
		ids = append(ids, id)
		texts[id+"/Dockerfile"] = fmt.Sprintf("# %s\nFROM base:%d\nARG TOKEN\nRUN prepare\nCOPY tool /tool\nRUN variant %d\nCOPY %[1]s /task\n", id, i%2, i%5)
	}
	of := func(token string) (names []string) {
		s := Spec{Context: filepath.Join(files(t, texts), "{{.id}}"), BuildArgs: map[string]string{"TOKEN": token}, AllowOutside: true, BatchSize: 15}
		for k := range shards {
			s.Shard = Shard{Number: k + 1, Of: shards}
			p, err := newPlan(t, s, rowsOf(t, ids...))
			if err != nil {
				t.Fatal(err)
			}
			bases, variants := map[bool]bool{}, map[string]bool{}
			for _, j := range p.Jobs {
				names = append(names, fmt.Sprintf("%d:%s", k+1, j.Name))
				text := string(j.Source.dockerfile)
				bases[strings.Contains(text, "base:0")] = true
				variants[regexp.MustCompile(`variant \d`).FindString(text)] = true
			}
			if len(bases) > 1 {
				t.Errorf("shard %d has jobs on both base images", k+1)
			}
			if len(variants) > 3 {
				t.Errorf("shard %d has jobs of %d variants", k+1, len(variants))
			}
			if n := len(p.Jobs); n < jobs/shards || n > jobs/shards+1 || p.Part.Jobs != jobs {
				t.Errorf("shard %d has %d jobs of %d", k+1, n, p.Part.Jobs)
			}
		}
		return names
	}
	here, there := of("one"), of("two")
	if !slices.Equal(here, there) || len(here) != jobs {
		t.Errorf("%d jobs here, %d there:\n%s\n%s", len(here), len(there), here, there)
	}
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

// Whatever Dockerfiles say, each job is in one shard.
func FuzzCut(f *testing.F) {
	f.Add("FROM a\nRUN b\n", "FROM a\nRUN c\n", uint8(2))
	f.Add("# syntax=other\nFROM a\n", "FROM scratch\nCOPY --link . .\n", uint8(3))
	f.Add("FROM a AS b\nFROM b\nCOPY --from=b /x /x\n", "\x00", uint8(0))
	f.Fuzz(func(t *testing.T, one, two string, n uint8) {
		var all []piece
		for i, text := range []string{one, two, one + two, two + one, one} {
			j := &Job{Name: fmt.Sprint(i), Source: &Source{context: ".", dockerfile: []byte(text)}}
			all = append(all, j.piece())
		}
		shards := newRow(all).cut(int(n) + 1)
		if in := slices.Sorted(slices.Values(slices.Concat(shards...))); len(shards) != int(n)+1 || !slices.Equal(in, []int{0, 1, 2, 3, 4}) {
			t.Errorf("%d shards with the jobs %v", len(shards), in)
		}
	})
}
