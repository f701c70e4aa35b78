package cache

import (
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// making is one time that a vertex was made. It leaves one record of each of the
// vertex's results.
type making struct {
	vertex      graph.ID
	began, done time.Time // zero where that was not told
	earlier     bool      // in an earlier run
	// by are the records that this may have been the making of, once that was looked
	// at: it was that of no other.
	by []claim
	// fits tells that one of them stands on what the vertex says.
	fits bool
	// apart tells that a mutable record and another were there at once. Else they may
	// be one: BuildKit lists a mutable record by another ID while a build uses it.
	apart bool
}

// claim is a record that a making may have been that of, with its description.
type claim struct {
	description, record string
	mutable             bool
}

// open tells whether it may have been the making of a record.
func (m *making) open(c claim) bool {
	taken := false
	for _, other := range m.by {
		if other == c {
			return true
		}
		taken = taken || other.description == c.description && (m.apart || other.mutable == c.mutable)
	}
	return !taken
}

// claim notes that it may have been the making of a record.
func (m *making) claim(c claim) {
	if !slices.Contains(m.by, c) {
		m.by = append(m.by, c)
	}
}

// take notes that it was the making of a record, and of no other of its kind.
func (m *making) take(c claim) {
	m.by = slices.DeleteFunc(m.by, func(other claim) bool {
		return other.description == c.description && other != c && (m.apart || other.mutable == c.mutable)
	})
	m.claim(c)
}

// timeline is makings in the order of when they began, or were done.
type timeline struct {
	makings []*making
	at      func(*making) time.Time
}

// add adds a making, and tells whether it is a new one.
func (t *timeline) add(m *making) bool {
	if t.has(m.vertex, t.at(m)) {
		return false
	}
	t.makings = slices.Insert(t.makings, t.search(t.at(m)), m)
	return true
}

// has tells whether there is a making of a vertex at a moment.
func (t *timeline) has(v graph.ID, when time.Time) bool {
	for i := t.search(when); i < len(t.makings) && t.at(t.makings[i]).Equal(when); i++ {
		if t.makings[i].vertex == v {
			return true
		}
	}
	return false
}

// between returns the makings from one time to another.
func (t *timeline) between(from, to time.Time) []*making {
	return t.makings[t.search(from):t.search(to.Add(1))]
}

// search returns the place of the first making that is not before a time.
func (t *timeline) search(when time.Time) int {
	if n := len(t.makings); n > 0 && t.at(t.makings[n-1]).Before(when) {
		return n // as they come, mostly
	}
	i, _ := slices.BinarySearchFunc(t.makings, when, func(m *making, when time.Time) int { return t.at(m).Compare(when) })
	return i
}

const (
	// A record is made before its step is told to be done: 1 to 9 ms on an idle
	// machine, 60 ms (1 of 10) to 530 ms with 8 builds and deletes on two busy cores
	// (measured on v0.34.2). Clocks that are set may disturb that.
	mostLate, mostEarly = time.Second, 150 * time.Millisecond
	// Moments that are no further apart do not tell two steps apart.
	sameMoment = 400 * time.Millisecond
)

// makingsOf returns the makings that the record at i may have come from, of the
// vertices that it may be of.
func (a *attribution) makingsOf(i int, may func(*making) bool) []*making {
	r := &a.records[i]
	// BuildKit seals a record when something stands on it or it is exported. One
	// that it keeps writable says when its step began (commit and DiskUsage in
	// BuildKit's cache package).
	line, from, to := &a.Memory.done, -mostEarly, mostLate
	if r.Mutable {
		line, from, to = &a.Memory.began, -mostLate, mostEarly
	}
	gap := func(m *making) time.Duration { return line.at(m).Sub(r.CreatedAt).Abs() }
	var found []*making
	nearest := mostLate
	for _, m := range line.between(r.CreatedAt.Add(from), r.CreatedAt.Add(to)) {
		if m.earlier != a.isNew(i) && m.open(a.claimOf(i)) && may(m) {
			found = append(found, m)
			nearest = min(nearest, gap(m))
		}
	}
	return slices.DeleteFunc(found, func(m *making) bool { return gap(m) > nearest+sameMoment })
}

func (a *attribution) claimOf(i int) claim {
	return claim{a.text[i], a.records[i].ID, a.records[i].Mutable}
}

// contest finds the records that may have come from the same makings, where there
// are more of them than makings: one is somebody else's, or its making was not
// told yet. Of none of them a moment tells anything then. Records that are gone
// count, too; of what is remembered there is no doubt. It tells whether it found
// any that were not in doubt before.
func (a *attribution) contest() (found bool) {
	m := matching{from: map[string][]result{}, of: map[result]string{}}
	for i, makings := range a.from {
		for _, from := range makings {
			m.may(a.records[i].ID, result{from, a.text[i]})
			for _, c := range from.by {
				if c.description == a.text[i] && (from.apart || c.mutable == a.records[i].Mutable) {
					m.may(c.record, result{from, a.text[i]})
				}
			}
		}
	}
	doubtful := m.doubtful()
	for i := range a.records {
		if !a.sure[i] || a.known[i] || !doubtful[a.records[i].ID] {
			continue
		}
		found = true
		if a.guessed[i] {
			a.doubt[i].guessed = true
		} else {
			a.doubt[i].fitting = true
		}
	}
	return found
}

// result is what a making leaves for one of its vertex's descriptions: one record.
type result struct {
	*making
	description string
}

// matching gives each record a result of its own, as far as there are enough.
type matching struct {
	records []string
	from    map[string][]result
	of      map[result]string
}

// may notes that a record may be a result.
func (m *matching) may(record string, r result) {
	known := m.from[record]
	if len(known) == 0 {
		m.records = append(m.records, record)
	}
	if !slices.Contains(known, r) {
		m.from[record] = append(known, r)
	}
}

// doubtful returns the records that may be those that find no result of their own.
func (m *matching) doubtful() map[string]bool {
	var without []string
	for _, r := range m.records {
		if !m.match(r, map[result]bool{}) {
			without = append(without, r)
		}
	}
	doubtful := map[string]bool{}
	for _, r := range without {
		doubtful[r] = true
		seen := map[result]bool{}
		m.match(r, seen)
		for from := range seen {
			doubtful[m.of[from]] = true
		}
	}
	return doubtful
}

// match finds a result for a record, and others for records in its way. It has
// seen all results that were in question.
func (m *matching) match(record string, seen map[result]bool) bool {
	for _, from := range m.from[record] {
		if seen[from] {
			continue
		}
		seen[from] = true
		if other, taken := m.of[from]; !taken || m.match(other, seen) {
			m.of[from] = record
			return true
		}
	}
	return false
}

// claim has the makings be those of the records. Where that is not sure, it does so
// only in the time that the list of records covers: the record of a later making
// may not be in it yet.
func (a *attribution) claim() {
	var newest time.Time
	for i := range a.records {
		if at := a.records[i].used(); at.After(newest) {
			newest = at
		}
	}
	for i := range a.records {
		c, one := a.claimOf(i), a.sure[i] && len(a.of[i]) == 1
		for _, m := range a.from[i] {
			m.fits = m.fits || !a.guessed[i] && !a.known[i]
			for _, other := range m.by {
				m.apart = m.apart || other.mutable != c.mutable && a.there[other.record]
			}
			switch {
			case one && len(a.from[i]) == 1:
				m.take(c)
			case one, !m.done.After(newest):
				m.claim(c)
			}
		}
	}
}
