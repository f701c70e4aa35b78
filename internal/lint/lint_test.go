package lint

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/solver/pb"
)

// results are those of a Dockerfile with a warning, or an error, of a rule in a line.
func results(text, rule string, line int32, failed string) (r lint.LintResults) {
	r.Sources = []*pb.SourceInfo{{Filename: "Dockerfile", Data: []byte(text)}}
	at := []*pb.Range{{Start: &pb.Position{Line: line}, End: &pb.Position{Line: line}}}
	if rule != "" {
		r.Warnings = []lint.Warning{{RuleName: rule, Detail: "of " + rule, Location: &pb.Location{Ranges: at}}}
	}
	if failed != "" {
		r.Error = &lint.BuildError{Message: failed, Location: pb.Location{Ranges: at}}
	}
	return r
}

func TestFindings(t *testing.T) {
	const text = "FROM a\nCMD b\n"
	tests := []struct {
		name string
		add  func(f *Findings)
		says []string // in this order
		any  bool
	}{
		{"none", func(f *Findings) { f.Add("a", "Dockerfile", results(text, "", 0, "")) },
			[]string{"Check complete, no warnings found in 1 job.\n"}, false},
		{"of one job", func(f *Findings) {
			f.Add("a", "dir/Dockerfile", results(text, "R", 2, ""))
			f.Add("b", "dir/Dockerfile", results(text, "", 0, ""))
		}, []string{"WARNING: R\nof R\ndir/Dockerfile:2\n", ">>> CMD b", "in 1 of 2 jobs: a\n", "\nCheck complete, 1 warning found in 2 jobs.\n"}, true},
		{"equal ones of many, in Dockerfiles of their own", func(f *Findings) {
			for i := range 8 {
				f.Add(fmt.Sprint("job-", i), fmt.Sprintf("%d/Dockerfile", i), results(text, "R", 2, ""))
			}
			f.Add("other", "other/Dockerfile", results(text, "R", 1, ""))
		}, []string{"0/Dockerfile:2\n", "in 8 of 9 jobs: job-0, job-1, job-2, job-3, job-4 and 3 more\n", "other/Dockerfile:1\n", "in 1 of 9 jobs: other\n", "2 warnings found in 9 jobs"}, true},
		{"errors come last", func(f *Findings) {
			f.Fail("a", errors.New("no such image"))
			f.Add("b", "Dockerfile", results(text, "R", 1, "bad target"))
			f.Fail("c", errors.New("no such image"))
		}, []string{"WARNING: R", "ERROR: no such image\nin 2 of 3 jobs: a, c\n", "ERROR: bad target\nDockerfile:1\n", "in 1 of 3 jobs: b\n", "1 warning and 2 errors found in 3 jobs"}, true},
		{"of all", func(f *Findings) { f.Fail("a", errors.New("no")); f.Fail("b", errors.New("no")) }, []string{"in all 2 jobs\n", "1 error found"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f Findings
			tt.add(&f)
			var out strings.Builder
			if err := f.Print(&out); err != nil {
				t.Fatal(err)
			}
			rest := out.String()
			for _, says := range tt.says {
				_, after, found := strings.Cut(rest, says)
				if !found {
					t.Fatalf("it does not say %q in its turn:\n%s", says, &out)
				}
				rest = after
			}
			if f.Any() != tt.any || strings.Count(out.String(), "Dockerfile:2") > 1 {
				t.Errorf("any: %t\n%s", f.Any(), &out)
			}
		})
	}
}
