package cache

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// Making tells that a vertex was made, or tried in vain, from when to when by the
// clock that the times of records are by, too. That of an image's topmost layer tells
// that the image was pulled, as far as it was not there.
type Making struct {
	Vertex graph.ID
	Began  time.Time
	Done   time.Time // zero until that is told: of a run that was killed it never is

	earlier bool // in an earlier run
}

// Keeper is told what a memory learns, to keep it for later runs. Its methods are
// not called concurrently.
type Keeper interface {
	// Made tells that a vertex is being made, or was.
	Made(Making)
	// Found tells that a record is a vertex's, or for the zero ID that runs of
	// Stoker's made it, but as which vertex is not known.
	Found(record string, v graph.ID)
}

// Memory is what is remembered of one builder's records that runs of Stoker's made:
// the vertex of each, where that is known.
// It may be used by several goroutines.
type Memory struct {
	keeper Keeper // nil for nobody

	mu    sync.RWMutex
	made  map[graph.ID][]Making
	known map[string]graph.ID // by a record's id
	lost  map[string]bool     // records of which it was found out that they are not the run's
	// origins are where records came from, also those that are gone, and left which
	// records each making has left.
	origins map[string]origin
	left    map[source][]string
}

// NewMemory returns a memory of what earlier runs knew: the vertices of records,
// and when vertices were made. The keeper, which may be nil, is told all that is new.
func NewMemory(known map[string]graph.ID, made []Making, keeper Keeper) *Memory {
	m := &Memory{keeper: keeper, made: map[graph.ID][]Making{}, known: maps.Clone(known), lost: map[string]bool{}, origins: map[string]origin{}, left: map[source][]string{}}
	if m.known == nil {
		m.known = map[string]graph.ID{}
	}
	for _, made := range made {
		made.earlier = true
		m.note(made)
	}
	return m
}

// note adds what was not known, and tells whether it did. The caller holds mu, or is
// alone.
func (m *Memory) note(made Making) (news bool) {
	all := m.made[made.Vertex]
	for i, k := range all {
		switch {
		case made.Done.IsZero() && k.Began.Equal(made.Began), !made.Done.IsZero() && k.Done.Equal(made.Done):
			return false
		case k.Done.IsZero() && k.Began.Equal(made.Began):
			m.made[made.Vertex] = slices.Clone(all) // others may read what there was
			m.made[made.Vertex][i] = made
			return true
		}
	}
	m.made[made.Vertex] = append(all, made)
	return true
}

// Made notes that a vertex is being made, and then that it was, as the builder's
// progress tells. Several builds may tell of the same making.
func (m *Memory) Made(made Making) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.note(made) && m.keeper != nil {
		m.keeper.Made(made)
	}
}

// Makings returns when vertices were made.
func (m *Memory) Makings() []Making {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Concat(slices.Collect(maps.Values(m.made))...)
}

// Known returns the vertices of all records that are remembered.
func (m *Memory) Known() map[string]graph.ID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.known)
}

// found remembers that a record is a vertex's, or for the zero ID only whose it is.
func (m *Memory) found(record string, v graph.ID) {
	if known, ok := m.known[record]; ok && known == v {
		return
	}
	m.known[record] = v
	if m.keeper != nil {
		m.keeper.Found(record, v)
	}
}

// cameFrom remembers where a record came from. The caller holds mu.
func (m *Memory) cameFrom(record string, o origin) {
	m.origins[record] = o
	for _, s := range o.by {
		if !slices.Contains(m.left[s], record) {
			m.left[s] = append(m.left[s], record)
		}
	}
}

// forget forgets the records that are gone.
func (m *Memory) forget(there []Record) {
	ids := make(map[string]bool, len(there))
	for i := range there {
		ids[there[i].ID] = true
	}
	maps.DeleteFunc(m.known, func(id string, _ graph.ID) bool { return !ids[id] })
	maps.DeleteFunc(m.lost, func(id string, _ bool) bool { return !ids[id] })
}
