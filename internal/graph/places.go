package graph

import (
	"maps"

	"github.com/opencontainers/go-digest"
)

// Places tells for each operation of a definition that leaves records which vertex it
// is, as a builder's progress reports it: of an image the topmost layer. The zero value is empty. It is not safe for concurrent use
// while it changes.
type Places struct {
	digests map[digest.Digest]ID
	names   map[string]ID // the zero ID for what several vertices are called
}

// Of returns the vertex of an operation by its digest. Builders of some versions
// report another digest: then by its name, where that is of one vertex only.
func (p *Places) Of(d digest.Digest, name string) (ID, bool) {
	id, ok := p.digests[d]
	if !ok {
		id = p.names[name]
	}
	return id, id != ID{}
}

// Len is how many operations are known.
func (p *Places) Len() int { return len(p.digests) }

// Put notes an operation's vertex.
func (p *Places) Put(d digest.Digest, name string, id ID) {
	if p.digests == nil {
		p.digests, p.names = map[digest.Digest]ID{}, map[string]ID{}
	}
	p.digests[d] = id
	p.putName(name, id)
}

func (p *Places) putName(name string, id ID) {
	if other, taken := p.names[name]; taken && other != id || name == "" {
		id = ID{}
	}
	p.names[name] = id
}

// Join adds those of another definition.
func (p *Places) Join(other Places) {
	if p.digests == nil {
		*p = other
		return
	}
	maps.Copy(p.digests, other.digests)
	for name, id := range other.names {
		p.putName(name, id)
	}
}
