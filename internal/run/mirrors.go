package run

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/stoker-build/stoker/internal/imageref"
)

// mirrors are the hosts that are asked in the place of registries: those that the
// builder is known to have, and those that errors tell of.
type mirrors struct {
	mu sync.Mutex // guards of
	of map[string][]string
}

// newMirrors returns mirrors by the registries' hosts; they may have paths.
func newMirrors(of map[string][]string) *mirrors {
	return &mirrors{of: maps.Clone(of)}
}

// learn notes a mirror of a registry.
func (m *mirrors) learn(registry, host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string][]string{}
	}
	if !slices.ContainsFunc(m.of[registry], func(mirror string) bool { return hostOf(mirror) == host }) {
		m.of[registry] = append(m.of[registry], host)
	}
}

// hosts returns some registries and all their mirrors.
func (m *mirrors) hosts(registries []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	hosts := slices.Clone(registries)
	for _, registry := range registries {
		for _, mirror := range m.of[registry] {
			hosts = append(hosts, hostOf(mirror))
		}
	}
	return hosts
}

// at returns how an image is asked for at a host: as it is, or by its name on a mirror;
// empty where it is not asked for there.
func (m *mirrors) at(ref, host string) string {
	registry := imageref.HostOf(ref)
	if registry == host {
		return ref
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mirror := range m.of[registry] {
		if hostOf(mirror) == host {
			return mirror + strings.TrimPrefix(imageref.WithoutDigest(ref), registry)
		}
	}
	return ""
}

func hostOf(mirror string) string {
	host, _, _ := strings.Cut(mirror, "/")
	return host
}
