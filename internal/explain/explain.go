// Package explain says why steps were run that a person would think cached: what makes
// each another than the step next to it, in this run or in an earlier one. It is pure.
package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
)

// Line is a step of a Dockerfile, and what became of it over all jobs.
type Line struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
	// LinkedAs is what it was built as, where it was linked by itself.
	LinkedAs string `json:"linked_as,omitempty"`
	// Steps is how many there are that differ in what they are made from, or in variables.
	Steps   int     `json:"steps"`
	Jobs    int     `json:"jobs"`
	Ran     int     `json:"ran"`
	Cached  int     `json:"cached"`
	Seconds float64 `json:"seconds"`
	// Bytes is what their results take; nil where none was seen, and of those that were
	// where SizesMissing are not known.
	Bytes        *int64 `json:"bytes,omitempty"`
	SizesMissing int    `json:"sizes_missing,omitempty"`
	// Reasons are why they were run, those of most steps first.
	Reasons []Reason `json:"reasons,omitempty"`
}

// Reason is why some steps of a line were run.
type Reason struct {
	Cause
	// Steps it is that of, which ran so often for it, and so long.
	Steps   int     `json:"steps"`
	Ran     int     `json:"ran"`
	Seconds float64 `json:"seconds"`
	// Bytes is what their results take; nil where none was seen.
	Bytes *int64 `json:"bytes,omitempty"`
}

// Run explains a run by what it has on record, against the steps of an earlier one; nil
// where there is none. The lines that took the longest come first.
func Run(now, earlier []ledger.Step) []Line {
	s := newSearch(now, earlier)
	return s.lines(func(i int) place { return s.now.at[i] })
}

// lines tells of all steps of Dockerfiles, those together that are at one place.
func (s *search) lines(at func(i int) place) []Line {
	index := map[place]int{}
	all := []Line{}
	called := map[calledAt]bool{}
	for i := range s.now.steps {
		step := &s.now.steps[i]
		if step.Kind != ledger.StepRun || step.Line == 0 {
			continue
		}
		n, known := index[at(i)]
		if !known {
			n = len(all)
			index[at(i)] = n
			all = append(all, Line{File: step.File, Line: step.Line, Text: step.Text, LinkedAs: step.LinkedAs})
		}
		if c := (calledAt{n, step.Text, step.LinkedAs}); !called[c] {
			called[c] = true
			all[n].call(step)
		}
		all[n].add(step)
		for _, why := range s.causes(i) {
			all[n].because(why, step)
		}
	}
	for _, l := range all {
		slices.SortFunc(l.Reasons, func(a, b Reason) int {
			return cmp.Or(cmp.Compare(b.Steps, a.Steps), strings.Compare(a.Text, b.Text), cmp.Compare(a.Line, b.Line))
		})
	}
	slices.SortStableFunc(all, func(a, b Line) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return all
}

// calledAt is what a step of a line is called, as many are.
type calledAt struct {
	line           int
	text, linkedAs string
}

// call leaves of what the line is called that which a step is called, too.
func (l *Line) call(s *ledger.Step) {
	l.Text = common(l.Text, s.Text)
	if l.LinkedAs != "" && s.LinkedAs != "" {
		l.LinkedAs = common(l.LinkedAs, s.LinkedAs)
	}
}

func (l *Line) add(s *ledger.Step) {
	l.Steps++
	l.Jobs += s.Jobs
	l.Ran += s.Ran
	l.Cached += s.Cached
	l.Seconds += s.Seconds
	l.Bytes = bytesize.Sum(l.Bytes, s.Bytes)
	if s.Bytes == nil && s.Ran+s.Cached > 0 {
		l.SizesMissing++
	}
}

// because adds why a step was run. Each of its runs is taken to have been as long as the others.
func (l *Line) because(why share, s *ledger.Step) {
	at := slices.IndexFunc(l.Reasons, func(r Reason) bool { return r.Cause == why.Cause })
	if at < 0 {
		at = len(l.Reasons)
		l.Reasons = append(l.Reasons, Reason{Cause: why.Cause})
	}
	r := &l.Reasons[at]
	r.Steps++
	r.Ran += why.ran
	r.Seconds += s.Seconds * float64(why.ran) / float64(s.Ran)
	r.Bytes = bytesize.Sum(r.Bytes, s.Bytes)
}

// Cause is the first thing, down a step's ancestry, that makes it another than the step
// next to it.
type Cause struct {
	Kind Kind `json:"kind"`
	// Text says what it is, such as "ARG or ENV GIT_SHA differs".
	Text string `json:"text"`
	// File and Line are of the step that it is told of first; an earlier one than the step
	// itself, mostly. They are empty where it is told of no step.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Told is what the cause is, as it is told of a step of a Dockerfile.
func (c Cause) Told(file string) string {
	switch {
	case c.Line == 0:
		return c.Text
	case c.File != file:
		return fmt.Sprintf("%s (since %s:%d)", c.Text, c.File, c.Line)
	}
	return fmt.Sprintf("%s (since line %d)", c.Text, c.Line)
}

// Kind says what sort of a cause it is.
type Kind string

// The kinds of causes.
const (
	Variable Kind = "variable" // an ARG or ENV
	File     Kind = "file"     // of the context
	Base     Kind = "base"     // the same base image, with another digest
	Other    Kind = "other"    // another base image, or another source
	Changed  Kind = "changed"  // the Dockerfile
	Gone     Kind = "gone"     // nothing differs
	Repeated Kind = "repeated" // the very same step, in this run
	Asked    Kind = "asked"    // the cache was not to be used
	New      Kind = "new"      // nothing like it was there
	Untold   Kind = "unknown"
)

var (
	gone      = Cause{Kind: Gone, Text: "the same step as in the earlier run: its result was not in the cache any more, or is on another builder"}
	repeated  = Cause{Kind: Repeated, Text: "the same step more than once: its result was removed meanwhile, an attempt failed, or each node made its own"}
	asked     = Cause{Kind: Asked, Text: "the cache was not to be used (--no-cache)"}
	unmade    = Cause{Kind: New, Text: "the earlier run, which had the same step, neither made it nor found it in the cache"}
	unlike    = Cause{Kind: New, Text: "the earlier run had no step like it"}
	untold    = Cause{Kind: Untold, Text: "the files that it takes of the context are too many, or too large, to be compared"}
	inserted  = Cause{Kind: Changed, Text: "a step was put in, left out or moved"}
	relinked  = Cause{Kind: Changed, Text: "it was linked by itself in one of the two, and not in the other (--auto-link)"}
	elsewhere = Cause{Kind: Other, Text: "it is made from something else"}
	rewritten = Cause{Kind: Changed, Text: "the line itself differs"}
	expanded  = Cause{Kind: Variable, Text: "an ARG or ENV in the line differs"}
	either    = Cause{Kind: Changed, Text: "the line itself, or an ARG or ENV in it, differs"}
)

// at is the cause as it is told of a step.
func (c Cause) at(s *ledger.Step) Cause {
	c.File, c.Line = s.File, s.Line
	return c
}

// most is how many things that differ are named.
const most = 3

// given is what two steps differ in that are written alike.
func given(was, is *ledger.Step) Cause {
	if names := differing(was.Env, is.Env); len(names) > 0 {
		return Cause{Kind: Variable, Text: "ARG or ENV " + list(names) + differInValue(was.Env, is.Env, names)}
	}
	if names := differing(was.Files, is.Files); len(names) > 0 {
		if files := slices.DeleteFunc(slices.Clone(names), isDirectory); len(files) > 0 {
			names = files
		}
		return Cause{Kind: File, Text: ofFiles(names) + differ(len(names))}
	}
	if names := differing(was.Parts, is.Parts); len(names) > 0 {
		return Cause{Kind: Changed, Text: "its " + list(names) + differ(len(names))}
	}
	return elsewhere
}

// isDirectory tells of what is taken of the context: of a directory all that are in it have
// one digest, beside those of the files.
func isDirectory(name string) bool { return strings.HasSuffix(name, "/") }

func ofFiles(names []string) string {
	switch {
	case len(names) == 1 && strings.Trim(names[0], "./") == "":
		return "what is taken of the context"
	case len(names) == 1 && isDirectory(names[0]):
		return "directory " + names[0] + " in the context"
	case len(names) == 1:
		return "file " + names[0] + " in the context"
	}
	return "files " + list(names) + " in the context"
}

func ofBases(was, is *ledger.Step) Cause {
	switch {
	case was.Kind != ledger.StepBase || is.Kind != ledger.StepBase:
		return elsewhere
	case was.Text == is.Text:
		return Cause{Kind: Base, Text: fmt.Sprintf("base image %s has another digest", is.Text)}
	}
	return Cause{Kind: Other, Text: "another base image"}
}

// differing are the keys of what is not the same in two maps, sorted.
func differing(was, is map[string]string) (keys []string) {
	for _, k := range slices.Sorted(maps.Keys(is)) {
		if old, had := was[k]; !had || old != is[k] {
			keys = append(keys, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(was)) {
		if _, has := is[k]; !has {
			keys = append(keys, k)
		}
	}
	return keys
}

// differ says of so many things that they are not the same: in an earlier run, or for another
// job of this one, so that nothing need have changed.
func differ(n int) string {
	if n == 1 {
		return " differs"
	}
	return " differ"
}

// differInValue says the same of variables: that one of both has none of them is told as that.
func differInValue(was, is map[string]string, names []string) string {
	for _, name := range names {
		_, had := was[name]
		if _, has := is[name]; had && has {
			return differ(len(names))
		}
	}
	if len(names) == 1 {
		return " is there in one of the two alone"
	}
	return " are there in one of the two alone"
}

func list(names []string) string { return plural.Some(names, most, ", ") }

// mostAgain is how many lines a summary tells of.
const mostAgain = 3

// Again are the lines of which most was lost, of those whose steps were run again, in this run
// or since an earlier one, for a reason that people may not expect: a variable, a file or a
// base image that changed. Each tells the reason that most of its runs have.
func Again(now, earlier []ledger.Step) []ledger.RanAgain {
	var all []ledger.RanAgain
	s := newSearch(now, earlier)
	for _, l := range s.lines(func(i int) place { return place{file: now[i].File, line: now[i].Line} }) {
		why := l.unexpected()
		if why == nil || l.Ran < 2 && s.within {
			continue
		}
		all = append(all, ledger.RanAgain{File: l.File, Line: l.Line, Text: l.Text, Ran: l.Ran, Cached: l.Cached, Seconds: l.Seconds, Bytes: l.Bytes,
			Why: why.Told(l.File), WhyRan: why.Ran, WhySeconds: why.Seconds, WhyBytes: why.Bytes})
	}
	slices.SortStableFunc(all, func(a, b ledger.RanAgain) int { return cmp.Compare(b.WhySeconds, a.WhySeconds) })
	return all[:min(len(all), mostAgain)]
}

// unexpected is the reason of most runs, of those that people may not expect; nil for none.
func (l Line) unexpected() (most *Reason) {
	for i := range l.Reasons {
		r := &l.Reasons[i]
		if (r.Kind == Variable || r.Kind == File || r.Kind == Base) && (most == nil || r.Ran > most.Ran) {
			most = r
		}
	}
	return most
}
