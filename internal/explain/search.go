package explain

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
)

// mostCompared is how many steps of a line, the last ones, are compared with one that is
// like them.
const mostCompared = 8

// key is equal for steps that do the same to the same: also where their identities differ,
// or do not, since an identity is without what is in the context's files.
type key [sha256.Size]byte

// place is where steps are looked for that are like another.
type place struct {
	file string
	line int
	text string
	// order is the line's number among those of the file that have steps.
	order int
}

func placeOf(s *ledger.Step) place { return place{file: s.File, line: s.Line, text: textOf(s)} }

// laid begins what the builder calls a step that lays a linked one upon an image.
const laid = "LINK "

// textOf is a step's text. What a step has laid upon an image is another step than that which
// made it, also where both are one in the Dockerfile.
func textOf(s *ledger.Step) string {
	if strings.HasPrefix(s.LinkedAs, laid) {
		return laid + s.Text
	}
	return s.Text
}

// spot is a place, upon a step.
type spot struct {
	place
	on string
}

// run is the steps of a run.
type run struct {
	steps []ledger.Step
	byID  map[string]int
	keys  []key
	byKey map[key]int
	lines map[string][]int // with steps, by file, in order
	like  map[spot][]int   // by place, upon what they are made from first, or upon anything
}

func newRun(steps []ledger.Step) *run {
	r := &run{steps: steps, byID: make(map[string]int, len(steps)), keys: make([]key, len(steps)), byKey: make(map[key]int, len(steps)),
		lines: linesOf(steps), like: map[spot][]int{}}
	for i := range steps {
		s := &steps[i]
		r.byID[s.ID] = i
		r.keys[i] = r.keyOf(s)
		if _, known := r.byKey[r.keys[i]]; !known {
			r.byKey[r.keys[i]] = i
		}
		for _, p := range slices.Concat(r.places(s)...) {
			r.like[spot{place: p}] = append(r.like[spot{place: p}], i)
			at := spot{p, first(s)}
			r.like[at] = append(r.like[at], i)
		}
	}
	return r
}

// linesOf are the lines of files that have steps, in order.
func linesOf(steps []ledger.Step) map[string][]int {
	lines := map[string][]int{}
	for i := range steps {
		if s := &steps[i]; s.Line > 0 {
			lines[s.File] = append(lines[s.File], s.Line)
		}
	}
	for file, all := range lines {
		slices.Sort(all)
		lines[file] = slices.Compact(all)
	}
	return lines
}

// places are those at which a step is looked for, the best first: with the same text,
// wherever it stands, and else where it stands, which comments above it leave in the order of
// the steps, and another target in the line. Of base images it is the name.
func (r *run) places(s *ledger.Step) [][]place {
	if s.Line == 0 {
		return [][]place{{{text: string(s.Kind) + s.Text}}, {{text: string(s.Kind)}}}
	}
	before, _ := slices.BinarySearch(r.lines[s.File], s.Line)
	return [][]place{{{file: s.File, text: textOf(s)}}, {{file: s.File, order: before + 1}, {file: s.File, line: s.Line}}}
}

// first is what a step is made from first; empty for nothing.
func first(s *ledger.Step) string {
	if len(s.On) == 0 {
		return "-"
	}
	return s.On[0]
}

func (r *run) keyOf(s *ledger.Step) (k key) {
	if s.Kind != ledger.StepRun {
		return sha256.Sum256([]byte(s.ID))
	}
	h := sha256.New()
	for _, m := range []map[string]string{s.Env, s.Files, s.Parts} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(h, "%q=%q ", name, m[name])
		}
		_, _ = io.WriteString(h, "\n")
	}
	for _, on := range s.On {
		if i, known := r.byID[on]; known {
			_, _ = h.Write(r.keys[i][:])
		} else {
			_, _ = io.WriteString(h, on)
		}
	}
	copy(k[:], h.Sum(nil))
	return k
}

// search looks for what is near to the steps of a run, in an earlier one or, where there is
// none, among those that come before them.
type search struct {
	now, pool *run
	within    bool
	nears     map[int]int // of now, in the pool; none where nothing is near
}

const none = -1

func newSearch(now, earlier []ledger.Step) *search {
	s := &search{now: newRun(now), nears: map[int]int{}}
	if s.pool, s.within = s.now, earlier == nil; !s.within {
		s.pool = newRun(earlier)
	}
	return s
}

// causes are why a step was run; none where it was not, or where a step had to be.
func (s *search) causes(step *ledger.Step) (all []Cause) {
	if step.Ran == 0 {
		return nil
	}
	i := s.now.byID[step.ID]
	if s.asked(i) {
		return []Cause{asked}
	}
	_, known := s.same(i)
	near := s.near(i)
	switch {
	case known && s.doubt(i):
		all = append(all, untold.at(step))
	case known:
		all = append(all, gone)
	case near != none:
		all = append(all, s.cause(i, near))
	case !s.within:
		all = append(all, unlike)
	}
	if step.Ran > 1 {
		all = append(all, repeated)
	}
	return all
}

// same returns the step of the pool that does the same as one.
func (s *search) same(i int) (at int, known bool) {
	if s.within {
		return none, false
	}
	at, known = s.pool.byKey[s.now.keys[i]]
	return at, known
}

// doubt tells that a step, or one that it is made from, takes files that nobody has looked at.
func (s *search) doubt(i int) bool {
	step := &s.now.steps[i]
	for _, digest := range step.Files {
		if digest == "" {
			return true
		}
	}
	return slices.ContainsFunc(step.On, func(id string) bool {
		on, known := s.now.byID[id]
		return known && s.doubt(on)
	})
}

// asked tells that a step, or one that it is made from, was to be made anew.
func (s *search) asked(i int) bool {
	step := &s.now.steps[i]
	return step.NoCache || slices.ContainsFunc(step.On, func(id string) bool {
		on, known := s.now.byID[id]
		return known && s.asked(on)
	})
}

// near returns the step of the pool that is the nearest to one: at the same place, upon the
// same or what is nearest to that, with the fewest differences.
func (s *search) near(i int) int {
	if at, known := s.nears[i]; known {
		return at
	}
	s.nears[i] = none // steps are made from none that is made from them
	s.nears[i] = s.find(i)
	return s.nears[i]
}

func (s *search) find(i int) int {
	if at, same := s.same(i); same {
		return at
	}
	step := &s.now.steps[i]
	upon := s.upon(step)
	all := s.now.places(step)
	for _, alike := range all {
		for _, on := range []string{upon, ""} {
			if on == "" && upon == "" {
				continue
			}
			for _, p := range alike {
				if found := s.closest(i, s.pool.like[spot{p, on}]); found != none {
					return found
				}
			}
		}
	}
	return s.closest(i, s.pool.like[spot{place: all[0][0]}])
}

// upon is what the nearest step would be made from; empty for something that is not known.
func (s *search) upon(step *ledger.Step) string {
	on, known := s.now.byID[first(step)]
	switch {
	case !known:
		return first(step)
	case s.within:
		return first(step)
	}
	if near := s.near(on); near != none {
		return s.pool.steps[near].ID
	}
	return ""
}

// closest returns the one of some steps that differs the least from one, of the last ones.
func (s *search) closest(i int, among []int) int {
	best, least := none, 0
	compared := 0
	for n := len(among) - 1; n >= 0 && compared < mostCompared; n-- {
		if s.within && among[n] >= i {
			continue
		}
		compared++
		if d := distance(&s.pool.steps[among[n]], &s.now.steps[i]); best == none || d < least {
			best, least = among[n], d
		}
	}
	return best
}

func distance(a, b *ledger.Step) int {
	d := len(differing(a.Env, b.Env)) + len(differing(a.Files, b.Files)) + len(differing(a.Parts, b.Parts))
	if a.Text != b.Text {
		d++
	}
	return d
}

// cause is the first difference of a step and one of the pool, down what they are made from.
func (s *search) cause(i, was int) Cause {
	is, old := &s.now.steps[i], &s.pool.steps[was]
	switch {
	case is.Text == old.Text && is.Called() != old.Called():
		return relinked.at(is)
	case len(is.On) != len(old.On):
		return elsewhere.at(is)
	}
	for n, id := range is.On {
		on, known := s.now.byID[id]
		before, knew := s.pool.byID[old.On[n]]
		if !known || !knew || s.now.keys[on] == s.pool.keys[before] {
			continue
		}
		if a, b := &s.now.steps[on], &s.pool.steps[before]; (a.Kind == ledger.StepRun || b.Kind == ledger.StepRun) && a.Text != b.Text && s.near(on) != before {
			if _, same := s.same(on); same || a.Kind != ledger.StepRun {
				return inserted.at(is) // right above it
			}
			return inserted.at(a)
		}
		return s.cause(on, before)
	}
	return difference(old, is).at(is)
}
