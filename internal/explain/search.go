package explain

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/stoker-build/stoker/internal/ledger"
)

// mostCompared is how many steps of a line, the last ones, are compared with one that is
// like them.
const mostCompared = 8

// key is equal for steps that do the same to the same: also where their identities differ,
// or do not, since an identity is without what is in the context's files.
type key [sha256.Size]byte

// run is the steps of a run.
type run struct {
	steps  []ledger.Step
	within bool // it is compared with itself
	byID   map[string]int
	keys   []key
	byKey  map[key]int
	lines  map[string][]int // with steps, by file, in order
	at     []place          // the line that each step is
	like   map[spot][]int   // by place, upon what they are made from first, or upon anything
}

func newRun(steps []ledger.Step, within bool) *run {
	r := &run{steps: steps, byID: make(map[string]int, len(steps)), keys: make([]key, len(steps)), byKey: make(map[key]int, len(steps)),
		within: within, lines: linesOf(steps), at: make([]place, len(steps)), like: map[spot][]int{}}
	for i := range steps {
		s := &steps[i]
		r.byID[s.ID] = i
		r.keys[i] = r.keyOf(s)
		if _, known := r.byKey[r.keys[i]]; !known {
			r.byKey[r.keys[i]] = i
		}
		r.at[i] = r.lineOf(s)
		for _, alike := range r.places(i) {
			for _, p := range alike {
				r.like[spot{place: p}] = append(r.like[spot{place: p}], i)
				at := spot{p, first(s)}
				r.like[at] = append(r.like[at], i)
			}
		}
	}
	return r
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
	within := earlier == nil
	s := &search{now: newRun(now, within), within: within, nears: map[int]int{}}
	if s.pool = s.now; !within {
		s.pool = newRun(earlier, false)
	}
	return s
}

// share is how many of a step's runs a cause is that of.
type share struct {
	Cause
	ran int
}

// causes are why a step was run; none where it was not, or where a step had to be.
func (s *search) causes(i int) (all []share) {
	step := &s.now.steps[i]
	if step.Ran == 0 {
		return nil
	}
	if s.asked(i) {
		return []share{{asked, step.Ran}}
	}
	was, known := s.same(i)
	near := s.near(i)
	switch {
	case known && s.pool.steps[was].Ran+s.pool.steps[was].Cached == 0: // it was interrupted, or had no use for it
		all = append(all, share{unmade, 1})
	case known && s.doubt(i):
		all = append(all, share{untold.at(step), 1})
	case known:
		all = append(all, share{gone, 1})
	case near != none:
		all = append(all, share{s.cause(i, near), 1})
	case !s.within:
		all = append(all, share{unlike, 1})
	}
	if step.Ran > 1 {
		all = append(all, share{repeated, step.Ran - 1})
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
	all, upon := s.now.places(i), s.upon(i)
	if len(upon) == 0 {
		return s.closest(i, s.pool.like[spot{place: all[0][0]}])
	}
	for _, alike := range all {
		for _, on := range append(upon, "") {
			for _, p := range alike {
				if found := s.closest(i, s.pool.like[spot{p, on}]); found != none {
					return found
				}
			}
		}
	}
	return none
}

// upon are what the nearest step would be made from, the best first; none where that is not
// known.
func (s *search) upon(i int) (all []string) {
	id := first(&s.now.steps[i])
	on, known := s.now.byID[id]
	if s.within || !known {
		all = append(all, id)
	}
	if known {
		if near := s.near(on); near != none {
			all = append(all, s.pool.steps[near].ID)
		}
	}
	return all
}

// closest returns the one of some steps that differs the least from one, of the last ones.
func (s *search) closest(i int, among []int) int {
	if s.within {
		before, _ := slices.BinarySearch(among, i)
		among = among[:before]
	}
	best, least := none, 0
	for _, n := range slices.Backward(among[max(len(among)-mostCompared, 0):]) {
		if d := distance(&s.pool.steps[n], &s.now.steps[i]); best == none || d < least {
			best, least = n, d
		}
	}
	return best
}

func distance(a, b *ledger.Step) int {
	d := len(differing(a.Env, b.Env)) + len(differing(a.Files, b.Files)) + len(differing(a.Parts, b.Parts))
	if written(a) != written(b) {
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
		if a, b := &s.now.steps[on], &s.pool.steps[before]; (a.Kind == ledger.StepRun || b.Kind == ledger.StepRun) && !s.sameLine(on, before) && s.near(on) != before {
			if _, same := s.same(on); same || a.Kind != ledger.StepRun {
				return inserted.at(is) // right above it
			}
			return inserted.at(a)
		}
		return s.cause(on, before)
	}
	return s.difference(was, i).at(is)
}

// sameLine tells that a step and one of the pool are one line of a Dockerfile.
func (s *search) sameLine(i, was int) bool {
	return s.now.at[i] == s.pool.at[was] || written(&s.now.steps[i]) == written(&s.pool.steps[was])
}

// difference is what a step and one of the pool differ in, what they are made from aside.
func (s *search) difference(was, i int) Cause {
	old, is := &s.pool.steps[was], &s.now.steps[i]
	switch {
	case old.Kind != ledger.StepRun || is.Kind != ledger.StepRun:
		return ofBases(old, is)
	case written(old) == written(is) || old.Called() == is.Called():
		return given(old, is)
	case s.now.at[i].text != s.pool.at[was].text:
		return rewritten
	case s.within && s.now.at[i] == s.pool.at[was]:
		return expanded // what is written there is the same for all
	}
	return either
}
