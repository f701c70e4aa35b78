package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/visible"
)

// Option is one in which two runs differ. What was not given is nil.
type Option struct {
	Name string  `json:"name"`
	A    *string `json:"a"`
	B    *string `json:"b"`
}

// facts are what records tell of how runs were made, whether that was given or is a
// default; empty where a record does not tell.
var facts = []struct {
	name string
	of   func(Seen) string
}{
	{"Stoker", func(s Seen) string { return s.Run.StokerVersion }},
	{"nodes", func(s Seen) string { return strings.Join(s.started().Nodes, ", ") }},
	{"--workers", func(s Seen) string { return count(s.started().Workers) }},
	{"--batch-size", func(s Seen) string { return count(s.started().BatchSize) }},
	{"--prune", func(s Seen) string {
		if s.Summary == nil || s.Summary.Prune == nil {
			return ""
		}
		return s.Summary.Prune.Policy
	}},
	{"limit", func(s Seen) string {
		if s.Summary == nil || s.Summary.Space == nil {
			return ""
		}
		return bytesize.Text(s.Summary.Space.HighBytes) + " of " + s.Summary.Space.Bound
	}},
}

// indifferent are flags that change nothing of what a run does, but what is seen of it.
var indifferent = []string{"--output-dir", "--progress", "--quiet", "--listen", "--metrics-textfile", "--yes"}

// differing are the options that differ, by what the records tell, and then by what was
// given.
func differing(a, b Seen) []Option {
	all := []Option{}
	told := slices.Clone(indifferent)
	for _, fact := range facts {
		inA, inB := fact.of(a), fact.of(b)
		if inA == "" || inB == "" {
			continue
		}
		told = append(told, fact.name)
		if inA != inB {
			all = append(all, Option{fact.name, &inA, &inB})
		}
	}
	if a.Given == nil || b.Given == nil {
		return all
	}
	names := maps.Clone(a.Given)
	maps.Copy(names, b.Given)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		o := Option{name, given(a, name), given(b, name)}
		if !slices.Contains(told, name) && (o.A == nil || o.B == nil || *o.A != *o.B) {
			all = append(all, o)
		}
	}
	return all
}

func given(s Seen, name string) *string {
	if v, is := s.Given[name]; is {
		return &v
	}
	return nil
}

// TextA is its value in A, for people.
func (o Option) TextA() string { return orNotGiven(o.A) }

// TextB is its value in B.
func (o Option) TextB() string { return orNotGiven(o.B) }

func orNotGiven(value *string) string {
	if value == nil {
		return "not given"
	}
	return visible.Line(*value)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
