package cache

import (
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

const (
	// A record is made before its step is told to be done: 1 to 9 ms on an idle
	// machine, up to 530 ms with 8 builds and deletes on two busy cores (measured on
	// v0.34.2).
	mostLate, mostEarly = time.Second, 250 * time.Millisecond
	// On a machine with more to do than it can it may take seconds. What was made
	// while the step ran is believed for longer.
	mostLateWithin = 5 * time.Second
	// An old daemon makes it when the next step begins or the image is exported: 40
	// to 160 ms after its step (measured on docker 20.10), but an export may have to
	// wait for a listing.
	oldEarly = time.Minute
	// Moments that are no further apart do not tell two steps apart.
	sameMoment = 400 * time.Millisecond
)

// atItsMoment returns those of the vertices that were made when the record was,
// and whether there are any.
// Where it is told of steps of one text much later than they were done, a record's own making may not
// be among them, and contest leaves it in doubt on a shared builder: to take in all makings within
// reach would let a stranger's record stand in for one of them.
func (a *attribution) atItsMoment(i int, among []int32) (nearest []int32, sure bool) {
	if len(a.made) == 0 || a.lost[i] {
		return nil, false
	}
	best := time.Duration(-1)
	gaps := make([]time.Duration, len(among))
	for n, v := range among {
		gaps[n], _ = a.gap(v, &a.records[i], a.isNew(i))
		if gaps[n] >= 0 && (best < 0 || gaps[n] < best) {
			best = gaps[n]
		}
	}
	if best < 0 {
		return nil, false
	}
	for n, v := range among {
		if gaps[n] >= 0 && (gaps[n] <= best+sameMoment || a.records[i].Old) {
			nearest = append(nearest, v)
		}
	}
	return distinct(nearest), true
}

// gap is how far the making of a record is from the nearest of a vertex, and which that
// is; negative for too far. A mutable record says when its step began, any other when that was
// done (commit and DiskUsage in BuildKit's cache package).
func (a *attribution) gap(v int32, r *Record, isNew bool) (best time.Duration, nearest Making) {
	best = -1
	early := mostEarly
	if r.Old {
		early = oldEarly
	}
	for _, made := range a.made[v] {
		if made.Done.IsZero() {
			// A killed run was not told when it was done. What was there when this one
			// began may be it.
			if after := r.CreatedAt.Sub(made.Began); made.earlier && !isNew && after >= -early && (best < 0 || after.Abs() < best) {
				best, nearest = after.Abs(), made
			}
			continue
		}
		late := made.Done.Sub(r.CreatedAt)
		if r.Mutable {
			late = r.CreatedAt.Sub(made.Began)
		}
		most := mostLate
		if !r.Mutable && r.CreatedAt.After(made.Began) {
			most = mostLateWithin
		}
		if late > most || late < -early || made.earlier == isNew {
			continue
		}
		if late = late.Abs(); best < 0 || late < best {
			best, nearest = late, made
		}
	}
	return best, nearest
}

// isPulledBefore tells whether the record at i, a layer that was there when the run began,
// is from a moment when an earlier run pulled an image that has it.
func (a *attribution) isPulledBefore(i int) bool {
	if a.isNew(i) {
		return false
	}
	at := a.records[i].CreatedAt
	return slices.ContainsFunc(a.of[i], func(v int32) bool {
		return slices.ContainsFunc(a.pulls[v], func(m Making) bool {
			return !at.Before(m.Began.Add(-mostEarly)) && (m.Done.IsZero() || !at.After(m.Done.Add(mostEarly)))
		})
	})
}

// guess finds steps by their descriptions and moments alone, for records that stand
// on what no step of that description stands on, as far as is known. A builder
// takes steps' results for the layers of an image that it made itself, and for
// those of another step that copied the same content. A step whose record is known
// is not asked again.
func (a *attribution) guess() {
	accounted := map[int32]bool{}
	for i := range a.records {
		if a.sure[i] {
			for _, v := range a.of[i] {
				accounted[v] = true
			}
		}
	}
	for _, i := range a.order {
		r := &a.records[i]
		if len(a.of[i]) > 0 || a.broken[i] || !r.isRegular() || a.isLayer(i) {
			continue
		}
		var among []int32
		for _, v := range a.described[graph.Normalize(r.Description)] {
			if !accounted[v] {
				among = append(among, v)
			}
		}
		a.of[i], a.sure[i] = a.atItsMoment(i, among)
	}
}
