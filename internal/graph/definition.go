package graph

import (
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Definition is a build as BuildKit's frontends define it, read but not yet
// turned into a graph.
type Definition struct {
	ops    []operation // inputs first
	result *pb.Input   // nil where the definition does not say
	source *pb.Source  // where operations stand; nil where the definition does not say
}

type operation struct {
	digest string
	// reported is the digest that a builder's progress has for it.
	reported digest.Digest
	name     string
	noCache  bool // it is to be made anew each time
	op       *pb.Op
}

// ParseDefinition reads a definition.
func ParseDefinition(def *pb.Definition) (*Definition, error) {
	d := &Definition{source: def.GetSource()}
	reported := map[string]digest.Digest{}
	for _, raw := range def.GetDef() {
		o := operation{digest: digest.FromBytes(raw).String(), op: &pb.Op{}}
		if err := o.op.UnmarshalVT(raw); err != nil {
			return nil, fmt.Errorf("a definition that does not parse: %w", err)
		}
		o.reported = reportedDigest(o.op, reported)
		reported[o.digest] = o.reported
		if o.op.Op == nil { // the last one only points at the result
			if len(o.op.Inputs) == 1 {
				d.result = o.op.Inputs[0]
			}
			continue
		}
		if m := def.Metadata[o.digest]; m != nil {
			o.name, o.noCache = m.Description["llb.customname"], m.IgnoreCache
		}
		d.ops = append(d.ops, o)
	}
	return d, nil
}

// reportedDigest is what a builder takes for the digest of an operation: it writes
// each anew, on its inputs' new digests, which makes another one of what a frontend
// of an earlier version wrote (recomputeDigests in BuildKit's
// solver/llbsolver/vertex.go).
func reportedDigest(op *pb.Op, inputs map[string]digest.Digest) digest.Digest {
	op = op.CloneVT()
	for _, in := range op.Inputs {
		in.Digest = inputs[in.Digest].String()
	}
	raw, err := op.Marshal()
	if err != nil {
		return "" // no builder could load it
	}
	return digest.FromBytes(raw)
}

// Surroundings are what a definition alone does not tell.
type Surroundings struct {
	// Layers returns the layers of an image. It may say that it does not know.
	Layers func(ImageSource) (ImageLayers, bool)
	// Local returns what a local source stands for, such as its directory: a
	// definition has only its name in the client's session, and that session, where it
	// is not that of the build itself alone.
	Local func(name, session string) string
	// Content returns a digest of what is taken of what Local returned. It may say that it
	// does not know, or be nil: then a copy from one directory equals no copy from another.
	Content func(local string, t Taken) (digest string, ok bool)
	// Files returns digests of the files that are taken of what Local returned, by their
	// paths in it, to tell which one was changed; nothing where they are too many. It may be nil.
	Files func(local string, t Taken) map[string]string
	// ByResult has operations be equal that make the same, also where BuildKit keys them
	// otherwise: by the content where an operation takes all of a local source, and
	// whatever the modes were that a copy gives anew.
	ByResult bool
	// Sent are the vertices of what a build sends in any case, to read what it is to do.
	Sent []Vertex
	// Dockerfile is the text of the one in which lines of steps are told.
	Dockerfile []byte
}

// Graph returns the definition's graph.
func (d *Definition) Graph(s Surroundings) (Graph, Places) {
	b := &graphBuilder{Surroundings: s, of: map[string]*made{}, seen: map[ID]bool{}, merged: map[ID][]ID{}, imageOf: map[string]Image{}}
	places := Places{}
	for _, o := range d.ops {
		m := b.make(o)
		b.of[o.digest] = m
		if m.told {
			places.Put(o.reported, o.name, m.id)
		}
	}
	for _, v := range b.Sent {
		b.add(v)
	}
	if d.result != nil {
		b.graph.Tops = b.top(d.result)
	}
	b.graph.Demands = d.demands()
	ops := d.byDigest()
	b.graph.Linked, b.graph.Unlinked = d.linked(b, ops)
	b.graph.Copies = d.copies(b, ops)
	b.graph.details = append(b.graph.details, b.details(d))
	return b.graph, places
}
