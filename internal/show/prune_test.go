package show

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/prune"
	"github.com/stoker-build/stoker/internal/sweep"
)

func examplePlan() prune.Plan {
	return prune.Plan{{
		Node: "unix:///b.sock", Remove: cache.Sum{Records: 6, Bytes: 5_200_000},
		Images: []prune.ImagePlan{
			{Ref: "r.example/a:1", Share: cache.Share{All: cache.Sum{Records: 6, Bytes: 4_000_000}, Remove: cache.Sum{Records: 4, Bytes: 1_200_000},
				Keep: []cache.Kept{{Why: "r.example/b:1 has it too", Sum: cache.Sum{Records: 2, Bytes: 2_800_000}}}}},
			{Ref: "r.example/none:1"},
			{Ref: "r.example/odd:1", Problem: errors.New("resolve r.example/odd:1: access\x1b[2J denied\nand again")},
		},
		Shared: cache.Share{All: cache.Sum{Records: 2, Bytes: 4_000_000}, Remove: cache.Sum{Records: 2, Bytes: 4_000_000}},
	}}
}

func TestPrunePlan(t *testing.T) {
	p := examplePlan()
	var out strings.Builder
	if err := PrunePlan(&out, p); err != nil {
		t.Fatal(err)
	}
	want := `REMOVE            KEEP              unix:///b.sock
4 records, 1.2MB  -                 r.example/a:1
                  2 records, 2.8MB    kept: r.example/b:1 has it too
-                 -                 r.example/none:1: not in the cache
-                 -                 r.example/odd:1
                                      not all of it can be told: resolve r.example/odd:1: access denied
                                      not all of it can be told: and again
2 records, 4MB    -                 shared by several of these images
6 records, 5.2MB                    total
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if got := PruneQuestion(p); got != "Remove 6 records (5.2MB)?" {
		t.Errorf("asks %q", got)
	}
	out.Reset()
	if err := PrunePlan(&out, prune.Plan{{Node: "n", Others: cache.Sum{Records: 1, Bytes: 5}}}); err != nil {
		t.Fatal(err)
	}
	if want := "REMOVE        KEEP  n\n1 record, 5B  -     of none of these images\n-                   total\nNothing is to be removed.\n"; out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPruned(t *testing.T) {
	p := append(examplePlan(), prune.NodePlan{Node: "never come to", Remove: cache.Sum{Records: 1}})
	o := prune.Outcome{{Node: "unix:///b.sock", Sweep: sweep.Sweep{Removed: cache.Sum{Records: 5, Bytes: 5_000_000},
		Refused: cache.Sum{Records: 1, Bytes: 200_000}, Duration: 1234567 * time.Microsecond}}}
	var out strings.Builder
	Pruned(&out, p, o)
	want := "unix:///b.sock: removed 5 records (5MB) in 1.235s\n" +
		"unix:///b.sock: BuildKit kept 1 record (200kB) that came into use meanwhile\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	j := PruneJSONOf(p, o, false)
	if n := j.Nodes[0]; n.Removed == nil || *n.Removed != (SumJSON{5, 5_000_000}) || *n.Refused != (SumJSON{1, 200_000}) || n.DurationSeconds != 1.234567 {
		t.Errorf("for programs: %+v", n)
	}
	if n := j.Nodes[1]; n.Removed != nil || n.Refused != nil || n.Remove.Records != 1 {
		t.Errorf("of a node that was not come to: %+v", n)
	}
}
