// Package lint gathers what checks of many jobs' Dockerfiles found, and says once
// what many jobs have in common. It is pure.
package lint

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/solver/pb"

	"github.com/stoker-build/stoker/internal/plural"
)

// Findings are what checks found, in the order in which it was first found. The
// zero value is ready for use.
type Findings struct {
	jobs     int
	warnings []*finding
	errors   []*finding
	known    map[string]*finding
}

// finding is a warning or an error, and the jobs that have it.
type finding struct {
	text string
	jobs []string
}

// Add notes what the frontend says of a job's Dockerfile, which a person knows by
// the name of file.
func (f *Findings) Add(job, file string, results lint.LintResults) {
	f.jobs++
	for _, w := range results.Warnings {
		f.note(&f.warnings, job, func(name string) string {
			var b bytes.Buffer
			_ = w.PrintTo(&b, results.Sources, named(name)) // a buffer takes all
			return b.String()
		}, file)
	}
	if results.Error != nil {
		f.note(&f.errors, job, func(name string) string {
			var b bytes.Buffer
			results.PrintErrorTo(&b, named(name))
			return "\nERROR: " + b.String()
		}, file)
	}
}

// Fail notes that a job could not be checked.
func (f *Findings) Fail(job string, err error) {
	f.jobs++
	f.note(&f.errors, job, func(string) string { return "\nERROR: " + err.Error() }, "")
}

// named gives a Dockerfile's text another name.
func named(name string) lint.SourceInfoMap {
	return func(s *pb.SourceInfo) *pb.SourceInfo {
		if s == nil {
			return nil
		}
		return &pb.SourceInfo{Filename: name, Data: s.Data, Language: s.Language, Definition: s.Definition}
	}
}

// note adds a finding. It is the same as an earlier one where only the names of the
// Dockerfiles are others.
func (f *Findings) note(all *[]*finding, job string, text func(file string) string, file string) {
	key := text("")
	if f.known == nil {
		f.known = map[string]*finding{}
	}
	one := f.known[key]
	if one == nil {
		one = &finding{text: strings.TrimRight(text(file), "\n")}
		f.known[key] = one
		*all = append(*all, one)
	}
	if n := len(one.jobs); n == 0 || one.jobs[n-1] != job {
		one.jobs = append(one.jobs, job)
	}
}

// Any tells whether there are any.
func (f *Findings) Any() bool { return len(f.warnings)+len(f.errors) > 0 }

// How many jobs are named of those that have a finding.
const jobsNamed = 5

// Print writes the findings, each once with the jobs that have it.
func (f *Findings) Print(w io.Writer) error {
	var b strings.Builder
	for _, one := range append(f.warnings, f.errors...) {
		fmt.Fprintf(&b, "%s\n%s\n", one.text, f.in(one.jobs))
	}
	if f.Any() {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Check complete, %s found in %s.\n", f.count(), plural.Of(f.jobs, "job"))
	_, err := io.WriteString(w, b.String())
	return err
}

// in says which jobs have a finding.
func (f *Findings) in(jobs []string) string {
	switch {
	case f.jobs == 1:
		return "in " + jobs[0]
	case len(jobs) == f.jobs:
		return fmt.Sprintf("in all %d jobs", f.jobs)
	}
	names := strings.Join(jobs[:min(len(jobs), jobsNamed)], ", ")
	if more := len(jobs) - jobsNamed; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("in %d of %s: %s", len(jobs), plural.Of(f.jobs, "job"), names)
}

func (f *Findings) count() string {
	switch {
	case !f.Any():
		return "no warnings"
	case len(f.errors) == 0:
		return plural.Of(len(f.warnings), "warning")
	case len(f.warnings) == 0:
		return plural.Of(len(f.errors), "error")
	}
	return plural.Of(len(f.warnings), "warning") + " and " + plural.Of(len(f.errors), "error")
}
