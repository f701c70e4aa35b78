// Package check is what a check of a plan has found: each fault once, with the jobs that
// have it, and how that is told. It is pure.
package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity is what a finding means for a run.
type Severity string

// The severities, the worst first.
const (
	Fault   Severity = "fault"   // something would fail, or the run not begin
	Warning Severity = "warning" // it may be otherwise than is wanted
	Unknown Severity = "unknown" // it could not be found out
	Advice  Severity = "advice"  // it costs more than it has to
)

// Kind is what a finding is about.
type Kind string

// The kinds, in the order in which they are told.
const (
	Input      Kind = "input"
	Builder    Kind = "builder"
	Image      Kind = "image" // that a build reads
	Build      Kind = "build" // what else the builder says
	Dockerfile Kind = "dockerfile"
	Secret     Kind = "secret"
	Tag        Kind = "tag"
	Push       Kind = "push"
	Output     Kind = "output"
	Quota      Kind = "quota"
	Space      Kind = "space"
	Cost       Kind = "cost"
)

var (
	severities = []Severity{Fault, Warning, Advice, Unknown}
	kinds      = []Kind{Input, Builder, Image, Build, Dockerfile, Secret, Tag, Push, Output, Quota, Space, Cost}
)

// Place is a line of a file; 0 where it is not known which.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Finding is something that is wrong, or that could not be found out.
type Finding struct {
	Severity Severity `json:"severity"`
	Kind     Kind     `json:"kind"`
	// Text says what is wrong, with what value.
	Text string `json:"text"`
	// Hint says what to do; empty where the text does.
	Hint string `json:"hint,omitempty"`
	// Jobs are the names of those that have it; none where it is a matter of the run.
	Jobs []string `json:"jobs,omitempty"`
	// Places are where it stands.
	Places []Place `json:"places,omitempty"`
	// Cost is what an advice is about; nil for anything else.
	Cost *Costing `json:"cost,omitempty"`
}

// Report is what a check has found. The zero value is ready for use.
type Report struct {
	// Jobs are the names of all that were checked, in their order.
	Jobs []string
	// Existing are those of them that were not looked at, and would be skipped, since
	// their images exist.
	Existing []string
	// FailOn is the mildest severity that is taken for a fault: Fault where it is empty.
	FailOn Severity

	findings []*entry
	known    map[string]*entry
}

// entry is a finding as it grows.
type entry struct {
	Finding
	jobs   map[string]bool
	places map[Place]bool
}

// Add notes findings. One that is there already gets the jobs and places of the other.
func (r *Report) Add(found ...Finding) {
	if r.known == nil {
		r.known = map[string]*entry{}
	}
	for _, f := range found {
		key := fmt.Sprintf("%s %s %q %q", f.Severity, f.Kind, f.Text, f.Hint)
		if f.Cost != nil {
			key += fmt.Sprint(f.Places) // each has a price of its own
		}
		one := r.known[key]
		if one == nil {
			one = &entry{Finding{Severity: f.Severity, Kind: f.Kind, Text: f.Text, Hint: f.Hint, Cost: f.Cost}, map[string]bool{}, map[Place]bool{}}
			r.known[key] = one
			r.findings = append(r.findings, one)
		}
		one.Jobs = appendNew(one.Jobs, f.Jobs, one.jobs)
		one.Places = appendNew(one.Places, f.Places, one.places)
	}
}

// appendNew appends what is not there.
func appendNew[T comparable](to, more []T, there map[T]bool) []T {
	for _, v := range more {
		if !there[v] {
			there[v] = true
			to = append(to, v)
		}
	}
	return to
}

// Findings returns what was found, the worst first, and of each severity by kind; the jobs
// of each in the order of all. Every text is passed through rewrite, such as to take
// secrets out.
func (r *Report) Findings(rewrite func(string) string) []Finding {
	place := make(map[string]int, len(r.Jobs))
	for i, name := range r.Jobs {
		place[name] = i
	}
	all := make([]Finding, 0, len(r.findings))
	for _, one := range r.findings {
		f := one.Finding
		f.Text, f.Hint = rewrite(f.Text), rewrite(f.Hint)
		if f.Cost != nil {
			cost := *f.Cost
			cost.Patch = rewrite(cost.Patch)
			f.Cost = &cost
		}
		f.Jobs, f.Places = slices.Clone(f.Jobs), slices.Clone(f.Places)
		slices.SortStableFunc(f.Jobs, func(a, b string) int { return cmp.Compare(place[a], place[b]) })
		slices.SortStableFunc(f.Places, func(a, b Place) int {
			return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
		})
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)))
	})
	return all
}

// Failed tells whether there is any fault, or what else is to be taken for one.
func (r *Report) Failed() bool {
	for _, s := range severities {
		if r.count(s) > 0 {
			return true
		}
		if s == cmp.Or(r.FailOn, Fault) {
			return false
		}
	}
	return false
}

// Wrong is the report with what is wrong alone: its faults and warnings.
func (r *Report) Wrong() *Report {
	wrong := *r
	wrong.findings = nil
	for _, f := range r.findings {
		if f.Severity == Fault || f.Severity == Warning {
			wrong.findings = append(wrong.findings, f)
		}
	}
	return &wrong
}

// inputOnly tells that the input has faults, so that nothing else was looked at.
func (r *Report) inputOnly() bool {
	return slices.ContainsFunc(r.findings, func(f *entry) bool { return f.Severity == Fault && f.Kind == Input })
}

func (r *Report) count(s Severity) (n int) {
	for _, f := range r.findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// faulty is how many jobs have faults.
func (r *Report) faulty() int {
	jobs := map[string]bool{}
	for _, f := range r.findings {
		for _, name := range f.Jobs {
			jobs[name] = jobs[name] || f.Severity == Fault
		}
	}
	n := 0
	for _, has := range jobs {
		if has {
			n++
		}
	}
	return n
}
