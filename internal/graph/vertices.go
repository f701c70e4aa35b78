package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/proto"
)

// graphBuilder turns operations into vertices.
type graphBuilder struct {
	Surroundings
	graph  Graph
	of     map[string]*made // by an operation's digest
	seen   map[ID]bool
	merged map[ID][]ID // what the merges' records stand on
	// imageOf are the images that are read, by their operations' digests.
	imageOf map[string]Image
}

// made is what became of an operation.
type made struct {
	id    ID     // the vertex; zero for none
	told  bool   // it leaves records, so that it matters when the builder says that it is done
	local string // what a local source stands for
	// tops are, by the number of an output, the vertices whose records stand for
	// it: one for most, none for an empty file system. Records of merges have the
	// records that were merged for their parents.
	tops [][]ID
}

func (b *graphBuilder) make(o operation) *made {
	inputs := make([][]ID, len(o.op.Inputs))
	var all []ID
	for i, in := range o.op.Inputs {
		inputs[i] = b.top(in)
		all = append(all, inputs[i]...)
	}
	switch op := o.op.Op.(type) {
	case *pb.Op_Source:
		return b.source(o, op.Source)
	case *pb.Op_Merge:
		return b.merge(o, all)
	case *pb.Op_Diff:
		if tops, same := sameAsAnInput(op.Diff, inputs); same {
			return &made{id: b.identity(o), tops: [][]ID{tops}}
		}
	case *pb.Op_Passthrough:
		m := &made{id: b.identity(o)}
		for _, i := range op.Passthrough.GetOutputs() {
			m.tops = append(m.tops, at(inputs, i))
		}
		return m
	}
	v := Vertex{ID: b.identity(o), Kind: Step, Name: o.name, Inputs: distinct(all)}
	m := &made{id: v.ID, told: true}
	for _, result := range outputs(o, inputs) {
		m.tops = append(m.tops, []ID{v.ID})
		if result != nil {
			v.Results = append(v.Results, *result)
		}
	}
	b.add(v)
	return m
}

// sameAsAnInput returns what the result of a diff is, where BuildKit makes no
// record for it: all of upper where lower is empty, and nothing where both are
// the same (Exec in its solver/llbsolver/ops/diff.go).
func sameAsAnInput(diff *pb.DiffOp, inputs [][]ID) (tops []ID, same bool) {
	lower, upper := at(inputs, diff.GetLower().GetInput()), at(inputs, diff.GetUpper().GetInput())
	switch {
	case len(lower) == 0:
		return upper, true
	case slices.Equal(lower, upper):
		return nil, true
	}
	return nil, false
}

// top returns the vertices that an input's records are those of.
func (b *graphBuilder) top(in *pb.Input) []ID {
	m := b.of[in.Digest]
	if m == nil || in.Index < 0 || int(in.Index) >= len(m.tops) {
		return nil
	}
	return m.tops[in.Index]
}

func (b *graphBuilder) add(v Vertex) {
	if !b.seen[v.ID] {
		b.seen[v.ID] = true
		b.graph.Vertices = append(b.graph.Vertices, v)
	}
}

// identity is equal for operations that do the same to equal inputs.
func (b *graphBuilder) identity(o operation) ID {
	parts := []string{"step"}
	for i, in := range o.op.Inputs {
		m := b.of[in.Digest]
		if m == nil {
			m = &made{}
		}
		if content, ok := b.contentOf(o.op, i, m.local); ok {
			parts = append(parts, content)
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %d", m.id, in.Index))
	}
	op := o.op.CloneVT()
	op.Inputs = nil
	if meta := op.GetExec().GetMeta(); meta != nil {
		// BuildKit leaves these out of a step's key, too (CacheMap in its
		// solver/llbsolver/ops/exec.go).
		meta.ProxyEnv = nil
		meta.RemoveMountStubsRecursive = false
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(op)
	if err != nil {
		return identify("step", o.digest) // equal to no other
	}
	return identify(append(parts, string(raw))...)
}

// contentOf returns what an operation takes from a local source, by its content.
func (b *graphBuilder) contentOf(op *pb.Op, input int, local string) (string, bool) {
	if local == "" || b.Content == nil {
		return "", false
	}
	taken := takenFrom(op, int64(input))
	if len(taken) == 0 && b.ByResult {
		taken = whole
	}
	var all strings.Builder
	for _, t := range taken {
		t.AnyMode = t.AnyMode && b.ByResult
		digest, ok := b.Content(local, t)
		if !ok {
			return "", false
		}
		fmt.Fprintf(&all, "%q %s ", t.Path, digest)
	}
	return all.String(), len(taken) > 0
}

// Taken is a path that an operation takes from one of its inputs.
type Taken struct {
	Path     string
	Wildcard bool // it may be a pattern
	AnyMode  bool // the operation gives modes of its own
}

// whole is all of an input.
var whole = []Taken{{Path: "/"}}

// takenFrom returns the paths that BuildKit keys by their content (CacheMap in its
// solver/llbsolver/ops/file.go and exec.go): none where it takes the whole input.
func takenFrom(op *pb.Op, input int64) (out []Taken) {
	for _, a := range op.GetFile().GetActions() {
		c := a.GetCopy()
		if a.Input == input || a.SecondaryInput == input && c == nil {
			return nil // it is changed
		}
		if c != nil && a.SecondaryInput == input {
			out = append(out, Taken{c.Src, c.AllowWildcard, c.ModeStr == "" && c.Mode >= 0})
		}
	}
	for _, m := range op.GetExec().GetMounts() {
		if m.Input != input {
			continue
		}
		if m.Dest == pb.RootMount || !m.Readonly && m.Output != int64(pb.SkipOutput) {
			return nil
		}
		out = append(out, Taken{Path: "/" + strings.TrimPrefix(m.Selector, "/")})
	}
	return out
}

// merge makes the vertex of a merge. BuildKit makes no record for a merge of
// one, and one for a merge of merges that stands on what those stand on (Merge
// in its cache/manager.go).
func (b *graphBuilder) merge(o operation, all []ID) *made {
	if len(all) < 2 {
		return &made{id: b.identity(o), tops: [][]ID{all}}
	}
	var flat []ID
	for _, id := range all {
		if below, is := b.merged[id]; is {
			flat = append(flat, below...)
		} else {
			flat = append(flat, id)
		}
	}
	v := Vertex{ID: b.identity(o), Kind: Step, Name: o.name, Inputs: distinct(all), Merge: true}
	b.merged[v.ID] = distinct(flat)
	v.Results = []Result{{Description: Normalize(o.name), On: b.merged[v.ID]}}
	b.add(v)
	return &made{id: v.ID, told: true, tops: [][]ID{{v.ID}}}
}

// attributes returns a source's attributes as text, without that of the client's
// session, which differs for every build: an OCI layout is read through one.
func attributes(attrs map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		if key != pb.AttrOCILayoutSessionID {
			fmt.Fprintf(&b, "%q=%q ", key, attrs[key])
		}
	}
	return b.String()
}

func distinct(ids []ID) []ID {
	var out []ID
	for _, id := range ids {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
