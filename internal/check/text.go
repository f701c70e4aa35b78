package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/annotate"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// How many jobs, or places, are named of those that have a finding.
	named = 5
	// How many findings of a severity and kind people are told, and how much advice.
	shown   = 20
	dearest = 3
)

// words are how severities are called.
var words = map[Severity]string{Fault: "fault", Warning: "warning", Unknown: "not known", Advice: "advice"}

// Document is a report as programs read it.
type Document struct {
	OK       bool      `json:"ok"`
	Jobs     int       `json:"jobs"`
	Existing int       `json:"existing"`
	Faults   int       `json:"faults"`
	Warnings int       `json:"warnings"`
	Unknown  int       `json:"unknown"`
	Advice   int       `json:"advice"`
	Findings []Finding `json:"findings"`
}

// Document returns the report for programs, with all jobs of each finding.
func (r *Report) Document(rewrite func(string) string) Document {
	return Document{OK: !r.Failed(), Jobs: len(r.Jobs), Existing: len(r.Existing), Faults: r.count(Fault), Warnings: r.count(Warning),
		Unknown: r.count(Unknown), Advice: r.count(Advice), Findings: r.Findings(rewrite)}
}

// Text returns the report for people.
func (r *Report) Text(rewrite func(string) string) string {
	text := r.List(rewrite)
	if text != "" {
		text += "\n"
	}
	return text + r.Headline() + "\n"
}

// List returns the findings alone: nothing where all is well.
func (r *Report) List(rewrite func(string) string) string {
	var b strings.Builder
	findings, more := first(r.Findings(rewrite))
	for _, f := range findings {
		fmt.Fprintf(&b, "%s: %s\n", words[f.Severity], indented(f.Text))
		if f.Hint != "" {
			fmt.Fprintf(&b, "  %s\n", indented(f.Hint))
		}
		if f.Cost != nil {
			fmt.Fprintf(&b, "  %s\n", f.Cost.Text)
		}
		if len(f.Places) > 0 {
			fmt.Fprintf(&b, "  %s\n", placesOf(f))
		}
		if len(f.Jobs) > 0 {
			fmt.Fprintf(&b, "  %s\n", r.jobsOf(f))
		}
		if f.Cost != nil && f.Cost.Patch != "" {
			b.WriteString(visible.Patch(f.Cost.Patch))
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "%s\n", tooMany(more))
	}
	return b.String()
}

// first returns the first findings of each severity and kind, and how many there are more.
func first(all []Finding) (some []Finding, more int) {
	type sort struct {
		severity Severity
		kind     Kind
	}
	seen := map[sort]int{}
	for _, f := range all {
		s := sort{f.Severity, f.Kind}
		most := shown
		if f.Severity == Advice {
			most = dearest
		}
		if seen[s]++; seen[s] > most {
			more++
			continue
		}
		some = append(some, f)
	}
	return some, more
}

func tooMany(n int) string {
	return fmt.Sprintf("and %d more like these, which \"stoker check --format json\" tells", n)
}

// indented has all lines but the first stand below it.
func indented(text string) string {
	return strings.ReplaceAll(visible.Lines(strings.TrimRight(text, "\n")), "\n", "\n  ")
}

// Headline says in a line what the check has come to.
func (r *Report) Headline() string {
	if r.inputOnly() {
		return fmt.Sprintf("checked the input: %s; nothing else could be asked", r.counts())
	}
	all, left := len(r.Jobs), len(r.Existing)
	checked := fmt.Sprintf("checked %s: %s", plural.Of(all-left, "job"), r.counts())
	if left == 0 {
		return checked
	}
	whose := "their images exist"
	if left == 1 {
		whose = "its image exists"
	}
	skipped := fmt.Sprintf("%d of %s not looked at, since %s: --force looks at all", left, plural.Of(all, "job"), whose)
	if left == all && len(r.findings) == 0 {
		return skipped
	}
	return checked + "; " + skipped
}

func (r *Report) counts() string {
	var parts []string
	if n := r.count(Fault); n > 0 {
		part := plural.Of(n, "fault")
		if jobs := r.faulty(); jobs > 0 {
			part += " in " + plural.Of(jobs, "job")
		}
		parts = append(parts, part)
	}
	if n := r.count(Warning); n > 0 {
		parts = append(parts, plural.Of(n, "warning"))
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing is wrong")
		if r.count(Unknown) > 0 {
			parts[0] = "no fault found"
		}
	}
	if n := r.count(Advice); n > 0 {
		parts = append(parts, plural.Of(n, "hint")+" at what would be cheaper")
	}
	if n := r.count(Unknown); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not known", n))
	}
	return strings.Join(parts, ", ")
}

// jobsOf says which jobs have a finding.
func (r *Report) jobsOf(f Finding) string {
	switch {
	case len(r.Jobs) == 1:
		return "in " + some(f.Jobs)
	case len(f.Jobs) == len(r.Jobs):
		return fmt.Sprintf("in all %d jobs", len(f.Jobs))
	}
	return fmt.Sprintf("in %d of %s: %s", len(f.Jobs), plural.Of(len(r.Jobs), "job"), some(f.Jobs))
}

func placesOf(f Finding) string {
	var places []string
	for _, p := range f.Places {
		places = append(places, p.String())
	}
	return some(places)
}

// some names the first of some names.
func some(names []string) string {
	shown := slices.Clone(names)
	for i, name := range shown[:min(len(shown), named)] {
		shown[i] = visible.Line(name)
	}
	return plural.Some(shown, named, ", ")
}

// Annotations are the first findings as GitHub shows them. What is not known is not shown.
func (r *Report) Annotations(rewrite func(string) string) (all []annotate.Annotation) {
	levels := map[Severity]string{Fault: "error", Warning: "warning", Advice: "notice"}
	for _, f := range r.Findings(rewrite) {
		if levels[f.Severity] == "" || len(all) == annotate.Most {
			break
		}
		a := annotate.Annotation{Level: levels[f.Severity], Title: "stoker check: " + string(f.Kind), Text: visible.Lines(f.Text)}
		if f.Hint != "" {
			a.Text += "\n" + visible.Lines(f.Hint)
		}
		if len(f.Places) > 0 {
			a.File, a.Line = f.Places[0].File, max(f.Places[0].Line, 1)
		}
		if len(f.Jobs) > 0 {
			a.Text += "\n" + r.jobsOf(f)
		}
		all = append(all, a)
	}
	return all
}
