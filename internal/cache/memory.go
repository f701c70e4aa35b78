package cache

import (
	"maps"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// Moment tells that a vertex was made, and when by the builder's clock.
type Moment struct {
	Vertex graph.ID
	At     time.Time
}

// Keeper is told what a memory learns, to keep it for later runs. Its methods are
// not called concurrently.
type Keeper interface {
	// Made tells that a vertex was made.
	Made(Moment)
	// Found tells that a record is a vertex's.
	Found(record string, v graph.ID)
}

// Memory is what is remembered of one builder's records: which vertex made each.
// It may be used by several goroutines.
type Memory struct {
	keeper Keeper // nil for nobody

	mu     sync.RWMutex
	began  timeline
	done   timeline
	undone map[graph.ID]*making // the last that began, where it is not done
	known  map[string]graph.ID  // by a record's id
}

// NewMemory returns a memory of what earlier runs knew: the vertices of records,
// and when vertices were made. The keeper, which may be nil, is told all that is new.
func NewMemory(known map[string]graph.ID, made []Moment, keeper Keeper) *Memory {
	m := &Memory{keeper: keeper, known: maps.Clone(known), undone: map[graph.ID]*making{},
		began: timeline{at: func(m *making) time.Time { return m.began }},
		done:  timeline{at: func(m *making) time.Time { return m.done }}}
	if m.known == nil {
		m.known = map[string]graph.ID{}
	}
	for _, moment := range made {
		m.done.add(&making{vertex: moment.Vertex, done: moment.At, earlier: true})
	}
	return m
}

// Began notes when the making of a vertex began, as the builder's progress tells
// and by its clock. It is what tells of a record that BuildKit keeps writable, and
// is to be called before Made.
func (m *Memory) Began(v graph.ID, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := (&making{vertex: v, began: at}); m.began.add(now) {
		m.undone[v] = now
	}
}

// Made notes that a vertex was made, and when that was done, as the builder's
// progress tells and by its clock. Several builds may tell of the same moment.
func (m *Memory) Made(v graph.ID, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done.has(v, at) {
		return
	}
	now := m.undone[v]
	if now == nil || now.began.After(at) {
		now = &making{vertex: v}
	} else {
		delete(m.undone, v)
	}
	now.done = at
	m.done.add(now)
	if m.keeper != nil {
		m.keeper.Made(Moment{v, at})
	}
}

// Moments returns when vertices were made, in that order.
func (m *Memory) Moments() []Moment {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]Moment, len(m.done.makings))
	for i, made := range m.done.makings {
		out[i] = Moment{made.vertex, made.done}
	}
	return out
}

// Known returns the vertices of all records that are remembered.
func (m *Memory) Known() map[string]graph.ID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.known)
}

// found remembers that a record is a vertex's.
func (m *Memory) found(record string, v graph.ID) {
	if known, ok := m.known[record]; ok && known == v {
		return
	}
	m.known[record] = v
	if m.keeper != nil {
		m.keeper.Found(record, v)
	}
}

// forget forgets the records that are gone.
func (m *Memory) forget(there []Record) {
	ids := make(map[string]bool, len(there))
	for i := range there {
		ids[there[i].ID] = true
	}
	maps.DeleteFunc(m.known, func(id string, _ graph.ID) bool { return !ids[id] })
}
