package cache

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// Moment tells that a vertex was made, and when by the builder's clock.
type Moment struct {
	Vertex graph.ID
	At     time.Time
}

// Memory is what is remembered of one builder's records: which vertex made each.
// It may be used by several goroutines.
type Memory struct {
	keep func(Moment) // nil for nobody

	mu    sync.RWMutex
	made  map[graph.ID][]time.Time
	known map[string]graph.ID // by a record's id
}

// NewMemory returns a memory of what earlier runs knew: the vertices of records,
// and when vertices were made. Keep is called with every further moment.
func NewMemory(known map[string]graph.ID, made []Moment, keep func(Moment)) *Memory {
	m := &Memory{keep: keep, made: map[graph.ID][]time.Time{}, known: maps.Clone(known)}
	if m.known == nil {
		m.known = map[string]graph.ID{}
	}
	for _, moment := range made {
		m.made[moment.Vertex] = append(m.made[moment.Vertex], moment.At)
	}
	return m
}

// Made notes that a vertex was made, as the builder's progress tells. Several
// builds may tell of the same moment.
func (m *Memory) Made(v graph.ID, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.made[v], at.Equal) {
		return
	}
	m.made[v] = append(m.made[v], at)
	if m.keep != nil {
		m.keep(Moment{v, at})
	}
}

// Moments returns when vertices were made.
func (m *Memory) Moments() []Moment {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Moment
	for v, times := range m.made {
		for _, at := range times {
			out = append(out, Moment{v, at})
		}
	}
	return out
}

// Known returns the vertices of all records that are remembered.
func (m *Memory) Known() map[string]graph.ID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.known)
}

// learn remembers what a report has found out for sure, and forgets records that
// are gone.
func (m *Memory) learn(a *attribution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	there := make(map[string]bool, len(a.records))
	for i := range a.records {
		id := a.records[i].ID
		there[id] = true
		if a.sure[i] && len(a.of[i]) == 1 {
			m.known[id] = a.shared.ID(a.of[i][0])
		}
	}
	maps.DeleteFunc(m.known, func(id string, _ graph.ID) bool { return !there[id] })
}
