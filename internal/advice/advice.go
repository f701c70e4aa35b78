// Package advice finds what would make a plan cheaper to build, and says what it costs now
// by what earlier runs have seen. It is pure.
package advice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// Rule is what an advice is about.
type Rule string

// The rules.
const (
	MisplacedVariable Rule = "misplaced-variable"
	UnlinkedCopy      Rule = "unlinked-copy"
	OwnerByName       Rule = "owner-by-name"
	PackagesUncached  Rule = "packages-uncached"
	RepeatedDownload  Rule = "repeated-download"
	UnreadCache       Rule = "unread-cache"
	Provenance        Rule = "provenance"
	UnusedContext     Rule = "unused-context"
	NearlySharedBases Rule = "nearly-shared-bases"
)

// Advice is something that makes the plan dearer than it has to be.
type Advice struct {
	Rule Rule   `json:"rule"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Text says what it is, and Remedy what to do.
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
	// Patch does that to the Dockerfile; empty where it takes more than lines of it.
	Patch string `json:"patch,omitempty"`
	// Jobs are the names of those that have it.
	Jobs []string `json:"jobs"`
	Price
}

// Price is what an advice saves.
type Price struct {
	// Seconds are those that steps take, of all workers together, and Bytes what results
	// take in the cache, or what is pulled; nil where that is not known.
	Seconds *float64 `json:"seconds"`
	Bytes   *int64   `json:"bytes"`
	// AtMost says that less may be saved.
	AtMost bool `json:"at_most,omitempty"`
}

// Redact has all texts rewritten, such as to take secrets out.
func (a *Advice) Redact(rewrite func(string) string) {
	a.Text, a.Remedy, a.Patch = rewrite(a.Text), rewrite(a.Remedy), rewrite(a.Patch)
}

// String says what may be saved.
func (p Price) String() string {
	var parts []string
	if p.Seconds != nil {
		parts = append(parts, seconds(*p.Seconds)+" of the workers' time")
	}
	if p.Bytes != nil {
		parts = append(parts, bytesize.Text(*p.Bytes))
	}
	switch {
	case len(parts) == 0:
		return "what it costs is not known"
	case p.AtMost:
		return "costs at most " + strings.Join(parts, " and ")
	}
	return "costs about " + strings.Join(parts, " and ")
}

func seconds(s float64) string {
	if s < 60 {
		return fmt.Sprintf("%.1fs", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// Given is what advice is found from.
type Given struct {
	Jobs    []*plan.Job
	Steps   []ledger.Step // of all of them
	Learned ledger.LearnedSteps
	Bases   []graph.Base // that are pulled
	// PullBytes is what is to be pulled for all of them, compressed; 0 is not known.
	PullBytes int64
	// Keeps tells why a copy, by its line and its text, was not linked by itself, and whether
	// that is something of whole jobs; empty for nothing. It may be nil.
	Keeps func(line int, text string) (why string, ofJobs bool)
}

// Of returns the advice for a plan, the dearest first.
func Of(g Given) []Advice {
	files := filesOf(g)
	var all []Advice
	for _, f := range files {
		all = append(all, f.misplaced()...)
		all = append(all, f.copies()...)
		all = append(all, f.repeated()...)
	}
	all = append(all, g.unreadCaches()...)
	all = append(all, g.unusedContexts()...)
	all = append(all, g.provenance(files)...)
	all = append(all, g.nearlyShared()...)
	slices.SortStableFunc(all, func(a, b Advice) int { return compare(b.Price, a.Price) })
	return all
}

// compare orders by time, and then by space. What is not known comes last, and what may be
// less after what is sure.
func compare(a, b Price) int {
	rank := func(p Price) (float64, float64) {
		seconds, bytes := -1.0, -1.0
		if p.Seconds != nil {
			seconds = *p.Seconds
		}
		if p.Bytes != nil {
			bytes = float64(*p.Bytes)
		}
		if p.AtMost {
			seconds, bytes = seconds/2, bytes/2
		}
		return seconds, bytes
	}
	secondsA, bytesA := rank(a)
	secondsB, bytesB := rank(b)
	return cmp.Or(cmp.Compare(secondsA, secondsB), cmp.Compare(bytesA, bytesB))
}

// priceOf is what some makings of a step take.
type priceOf struct {
	learned ledger.LearnedSteps
	seconds float64
	bytes   int64
	timed   bool
	sized   bool
	unknown bool // of some step nothing is known
}

// add adds so many makings of the steps of a text.
func (p *priceOf) add(text string, makings int) {
	if makings <= 0 {
		return
	}
	l, known := p.learned[text]
	if !known || l.Seconds == 0 {
		p.unknown = true
		return
	}
	p.seconds, p.timed = p.seconds+l.Seconds*float64(makings), true
	if l.Bytes != nil {
		p.bytes, p.sized = p.bytes+*l.Bytes*int64(makings), true
	}
}

// price is the sum; not known where nothing of it is.
func (p *priceOf) price() (out Price) {
	if p.timed {
		out.Seconds = &p.seconds
	}
	if p.sized {
		out.Bytes = &p.bytes
	}
	return out
}
