package cache

import (
	"maps"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// Memory is what is remembered of one builder's records: which vertex made each.
// It may be used by several goroutines.
type Memory struct {
	mu    sync.RWMutex
	made  map[graph.ID][]time.Time // when vertices were made, by the builder's clock
	known map[string]graph.ID      // by a record's id
}

// NewMemory returns a memory of what earlier runs knew, which may be nil.
func NewMemory(known map[string]graph.ID) *Memory {
	m := &Memory{made: map[graph.ID][]time.Time{}, known: maps.Clone(known)}
	if m.known == nil {
		m.known = map[string]graph.ID{}
	}
	return m
}

// Made notes that a vertex was made, and when by the builder's clock: as the
// builder's progress tells.
func (m *Memory) Made(v graph.ID, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made[v] = append(m.made[v], at)
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
