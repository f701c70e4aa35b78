package show

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/space"
)

func TestPlanned(t *testing.T) {
	jobs := []run.PlannedJob{
		{Name: "a", Tags: []string{"r.example/a:1", "r.example/a:2"}, Batch: 1},
		{Name: "b", Tags: []string{"r.example/b:1"}, Batch: 2, Problem: "its base image does not exist\x1b[2J"},
	}
	grows := space.Forecast{Jobs: 1, PullBytes: 3e9, SharedBytes: 1e9, PeakBytes: 5e9, TotalBytes: 6e9, LeastBytes: 4e9, SmallestBytes: 3e9, Curve: []int64{0, 4, 8}, Fits: true}
	grows.Rates.Own = 2e6
	for _, tt := range []struct {
		name string
		plan run.Planned
		want string
	}{
		{"on a disk that others use", run.Planned{Jobs: jobs, Batches: 2, Workers: 4, Skipped: 3, Forecast: grows, Bound: "disk /", Limit: space.Limit{High: 9e9}, UsedBytes: 2e9, OtherBytes: 1e9}, `
note: a remark
batch 1
  a  r.example/a:1 r.example/a:2
batch 2
  b  r.example/b:1
    will fail: its base image does not exist

jobs        2 in 2 batches, 4 workers, 3 skipped
will fail   1 job, as said above; no figure below counts them
pull        3GB; sharing layers saves 1GB
a job adds  about 2MB of its own
peak        4GB of cache with 4 workers; 5GB if nothing were removed
least       3GB of cache for 4 workers in this order, 2GB for one
use         ▁▄█
bound       disk /: limit 9GB, 2GB used, 1GB of it not by the cache
fits        yes
`},
		{"without a bound", run.Planned{Jobs: jobs[:1], Batches: 1, Workers: 1, Forecast: space.Forecast{Unknown: 1}}, `
note: a remark
batch 1
  a  r.example/a:1 r.example/a:2

jobs     1 in 1 batch, 1 worker, 0 skipped
unknown  what 1 job does; no figure below counts them
fits     no bound is known: name the disk with --disk-path, or give --cache-budget
`},
		{"of which none can be built", run.Planned{Jobs: jobs[1:], Batches: 1, Workers: 1, Bound: "disk /", Limit: space.Limit{High: 9e9}}, `
note: a remark
batch 2
  b  r.example/b:1
    will fail: its base image does not exist

jobs       1 in 1 batch, 1 worker, 0 skipped
will fail  1 job, as said above; no figure below counts them
fits       nothing can be built: the one job will fail
`},
		{"of which all exist", run.Planned{Batches: 2, Workers: 1, Skipped: 30, Scales: []run.Scale{{Nodes: 1}, {Nodes: 2}}}, `
note: a remark
nothing is left to build: all 30 images exist; --force builds them again
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := Planned(&out, []string{"a remark"}, tt.plan, nil); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out.String(); got != tt.want {
				t.Errorf("got%s\nwant%s", got, tt.want)
			}
		})
	}
}

func TestFits(t *testing.T) {
	for want, f := range map[string]space.Forecast{
		"nothing is to be built":                                    {},
		"no: at least 2GB of cache are needed, and 1GB are allowed": {Jobs: 1, SmallestBytes: 3e9},
		"unknown for 2 of the jobs; the others fit":                 {Jobs: 1, Unknown: 2, Fits: true},
		"unknown for 2 jobs":                                        {Unknown: 2, Fits: true},
		"yes; workers will wait for space about 7 times":            {Jobs: 1, Fits: true, Waits: 7},
		"yes": {Jobs: 1, Fits: true},
	} {
		if got := fits(run.Planned{Forecast: f, Limit: space.Limit{High: 2e9}, OtherBytes: 1e9}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
