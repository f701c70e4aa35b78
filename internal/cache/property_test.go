package cache

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

// What is removed is needed by nobody, and on a shared builder it is the run's own.
func TestNothingThatIsNeededIsRemoved(t *testing.T) {
	for name, s := range map[string]style{
		"its own builder":    {owner: Exclusive},
		"a shared builder":   {owner: Shared},
		"disturbed":          {owner: Exclusive, disturbed: 100 * time.Millisecond},
		"disturbed, shared":  {owner: Shared, disturbed: 100 * time.Millisecond},
		"calm":               {owner: Exclusive, calm: true},
		"calm, on a shared":  {owner: Shared, calm: true},
		"calm, disturbed":    {owner: Exclusive, calm: true, disturbed: 100 * time.Millisecond},
		"calm, shared, both": {owner: Shared, calm: true, disturbed: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				d := drawDaemon(t, s)
				d.run(func() { d.sweep(d.mayGo) })
			})
		})
	}
}

// Where moments tell nothing any more, what is removed wrongly is no layer and
// nothing that a build uses, but the result of a step that looks like one of a
// finished job. To make it again costs that step.
func TestNonsenseMomentsCostSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDaemon(t, style{owner: Exclusive, disturbed: 3 * time.Second})
		d.run(func() {
			d.sweep(func(e *entry) string {
				why := d.mayGo(e)
				if why != "" && e.isStep() && d.looksFinished(e) {
					return ""
				}
				return why
			})
		})
	})
}

// sweep looks at the records, checks what a report says of them, and removes some
// of what it says can go.
func (d *daemon) sweep(mayGo func(*entry) string) {
	d.tell(d.now)
	d.view.Records = rapid.Permutation(d.list()).Draw(d.t, "records")
	r := Classify(d.view)
	checkReport(d.t, r)
	list := r.Pick(Policy{})
	for _, rec := range list {
		if why := mayGo(d.entryOf(rec.ID)); rec.InUse || why != "" {
			d.t.Fatalf("%s is to be removed, but %s (in use: %t)\n%s", rec.ID, why, rec.InUse, d.describe(r))
		}
	}
	if d.style.disturbed < time.Second {
		d.checkFound(r, list)
	}
	d.now = d.now.Add(300 * time.Millisecond) // looks and deletes take a moment
	for _, rec := range list[:rapid.IntRange(0, len(list)).Draw(d.t, "removed")] {
		d.remove(d.entryOf(rec.ID))
	}
}

// describe tells what the daemon knows and what a report makes of it.
func (d *daemon) describe(r *Report) string {
	var b strings.Builder
	name := func(v int32) string {
		return fmt.Sprint(v, " ", r.shared.Name(v), ", needed: ", d.needed(r.shared.ID(v)))
	}
	for i, rec := range r.Records {
		e := d.entryOf(rec.ID)
		fmt.Fprintf(&b, "%s on %v at %s: %q made by %d", rec.ID, rec.Parents, rec.CreatedAt.Sub(at(0)), rec.Description, e.maker)
		if v, known := r.shared.Find(e.vertex); known {
			fmt.Fprintf(&b, " as %s", name(v))
		}
		fmt.Fprintf(&b, "\n    %s (%s), sure: %t, may be", r.Verdicts[i].State, r.Verdicts[i].Reason, r.sure[i])
		for _, v := range r.of[i] {
			fmt.Fprintf(&b, " [%s]", name(v))
		}
		b.WriteString("\n")
	}
	for _, m := range d.view.Memory.Makings() {
		v, _ := r.shared.Find(m.Vertex)
		fmt.Fprintf(&b, "%s was made from %s to %s\n", name(v), m.Began.Sub(at(0)), m.Done.Sub(at(0)))
	}
	return b.String()
}

// mayGo tells why a record must not be removed; nothing where it may.
func (d *daemon) mayGo(e *entry) string {
	_, before := d.view.Before[e.ID]
	_, remembered := d.remembered[e.ID]
	switch {
	case e.vertex != graph.ID{} && d.needed(e.vertex):
		return "an unfinished job needs it"
	case d.style.owner == Exclusive || e.maker == theRun || remembered:
		return ""
	case before:
		return "it was there before"
	case e.isStep() && !d.coincides(e):
		return "it is a stranger's"
	}
	return "" // a layer of the plan that a stranger pulled meanwhile
}

// coincides tells whether a step of the same description began or was done by a
// build of the run about when a record was made, which nothing tells apart.
func (d *daemon) coincides(e *entry) bool {
	for _, m := range d.makings {
		v, known := d.view.Needs.shared.Find(m.Vertex)
		if !known {
			continue
		}
		_, has := d.view.Needs.shared.ResultOn(v, graph.Normalize(e.Description))
		near := min(m.Done.Sub(e.CreatedAt).Abs(), m.Began.Sub(e.CreatedAt).Abs())
		if has && near <= mostLate+d.style.disturbed {
			return true
		}
	}
	return false
}

func (e *entry) isStep() bool {
	return e.Description != "" && e.Kind == KindRegular && !strings.HasPrefix(e.Description, pulledFrom)
}

// looksFinished tells whether a vertex that no unfinished job has leaves a record
// of the same description.
func (d *daemon) looksFinished(e *entry) bool {
	s := d.view.Needs.shared
	for v := range int32(s.Len()) {
		if _, has := s.ResultOn(v, graph.Normalize(e.Description)); has && !d.needed(s.ID(v)) {
			return true
		}
	}
	return false
}

// checkFound checks that a report finds all that nobody needs and that can go.
func (d *daemon) checkFound(r *Report, list []Record) {
	listed := map[string]bool{}
	for _, rec := range list {
		listed[rec.ID] = true
	}
	goes := map[*entry]bool{}
	for again := true; again; {
		again = false
		for _, e := range d.records {
			stays := func(c *entry) bool { return !goes[c] }
			if goes[e] || slices.ContainsFunc(d.children(e), stays) || !d.mustGo(e) {
				continue
			}
			goes[e], again = true, true
			if !listed[e.shownID()] {
				d.t.Fatalf("%s can go, but is not among those that do\n%s", e.shownID(), d.describe(r))
			}
		}
	}
}

// mustGo tells whether a report has to know that a record can go.
func (d *daemon) mustGo(e *entry) bool {
	_, remembered := d.remembered[e.ID]
	shown, old := e.shownID(), e.maker != theRun
	if _, before := d.view.Before[shown]; before && shown != e.ID {
		return false
	}
	switch {
	case e.vertex == graph.ID{} || e.running || e.users > 0 || d.needed(e.vertex):
		return false
	case !e.isStep():
		return e.Kind == KindRegular && d.isNamed(e) && (d.style.owner == Exclusive || e.maker == theRun || remembered) && !d.isNeededByAnotherName(e)
	case remembered:
		return true
	case d.style.owner == Shared:
		// Two that look alike and were made at one time may be anybody's.
		return e.maker == theRun && d.style.calm && d.isPlain(e)
	case d.style.calm && !old:
		return d.isPlain(e)
	}
	return d.isNamedBelow(e) && !d.looksNeeded(e)
}

// isPlain tells whether it is the moments only that make a step's record hard to
// tell: not also that it has two IDs and stands on a layer with a stranger's name.
func (d *daemon) isPlain(e *entry) bool { return e.sealed || d.isNamedBelow(e) }

// isNamed tells whether a layer is named after an image of the plan.
func (d *daemon) isNamed(e *entry) bool {
	return e.Description != "" && e.Description != pulled(alien)
}

func (d *daemon) isNamedBelow(e *entry) bool {
	for _, p := range e.parents {
		if !p.isStep() && !d.isNamed(p) || !d.isNamedBelow(p) {
			return false
		}
	}
	return true
}

// isNeededByAnotherName tells whether another platform's layer is needed that has
// the same name.
func (d *daemon) isNeededByAnotherName(e *entry) bool {
	if !strings.Contains(e.Description, "multi:1") {
		return false
	}
	for _, x := range d.jobs {
		for _, i := range x.Graph.Images {
			if strings.Contains(i.Ref, "multi:1") && slices.ContainsFunc(i.Layers, d.needed) {
				return true
			}
		}
	}
	return false
}

// looksNeeded tells whether a needed vertex leaves a record of the same
// description.
func (d *daemon) looksNeeded(e *entry) bool {
	s := d.view.Needs.shared
	for v := range int32(s.Len()) {
		if _, has := s.ResultOn(v, graph.Normalize(e.Description)); has && d.needed(s.ID(v)) {
			return true
		}
	}
	return false
}
