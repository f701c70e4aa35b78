package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil"
	"github.com/moby/buildkit/util/urlutil"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

// Definition is a build as BuildKit's frontends define it, read but not yet
// turned into a graph.
type Definition struct {
	ops []operation // inputs first
}

type operation struct {
	digest string
	// reported is the digest that a builder's progress has for it.
	reported digest.Digest
	name     string
	op       *pb.Op
}

// ParseDefinition reads a definition.
func ParseDefinition(def *pb.Definition) (*Definition, error) {
	d := &Definition{}
	reported := map[string]digest.Digest{}
	for _, raw := range def.GetDef() {
		o := operation{digest: digest.FromBytes(raw).String(), op: &pb.Op{}}
		if err := o.op.UnmarshalVT(raw); err != nil {
			return nil, fmt.Errorf("a definition that does not parse: %w", err)
		}
		o.reported = reportedDigest(o.op, reported)
		reported[o.digest] = o.reported
		if o.op.Op == nil {
			continue // the last one only points at the result
		}
		if m := def.Metadata[o.digest]; m != nil {
			o.name = m.Description["llb.customname"]
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

// ImageSource is an image that a definition reads.
type ImageSource struct {
	// Ref is the reference with its digest, as BuildKit resolved it.
	Ref string
	// Platform is nil where the definition does not say.
	Platform *pb.Platform
}

const imageScheme = "docker-image://"

// Surroundings are what a definition alone does not tell.
type Surroundings struct {
	// Layers returns the layers of an image. It may say that it does not know.
	Layers func(ImageSource) (ImageLayers, bool)
	// Local returns what a local source stands for, such as its directory: a
	// definition has only its name in the client's session.
	Local func(name string) string
	// Content returns a digest of what is at a path of a local source, which may be
	// a pattern. It may say that it does not know, or be nil: then a copy from one
	// directory equals no copy from another.
	Content func(local, path string, wildcard bool) (digest string, ok bool)
	// Sent are the vertices of what a build sends in any case, to read what it is to do.
	Sent []Vertex
}

// Directory returns the vertex of a directory that is sent to the builder.
func Directory(dir string) Vertex {
	return Vertex{ID: identify("local", dir), Kind: Source, Name: dir, Results: []Result{{Description: directory}}}
}

// Sends tells whether a step of a frontend, by its name in the builder's progress,
// sends what a vertex of Directory or Dockerfile stands for: of a directory first
// only what a frontend looks for (frontend/dockerui in BuildKit).
func (v *Vertex) Sends(step string) bool {
	if len(v.Results) == 0 {
		return false
	}
	switch v.Results[0].Description {
	case directory:
		return step == "[internal] load .dockerignore"
	case sentDockerfile:
		return strings.HasPrefix(step, "[internal] load build definition from ")
	}
	return false
}

// Dockerfile returns the vertex of a Dockerfile that is sent.
func Dockerfile(path string) Vertex {
	return Vertex{ID: identify("dockerfile", path), Kind: Source, Name: path, Results: []Result{{Description: sentDockerfile}}}
}

// Places tells for each operation of a definition that is a step which vertex it
// is, as a builder's progress reports it. The zero value is empty. It is not safe for concurrent use
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

// Graph returns the definition's graph.
func (d *Definition) Graph(s Surroundings) (Graph, Places) {
	b := &graphBuilder{Surroundings: s, of: map[string]*made{}, seen: map[ID]bool{}, merged: map[ID][]ID{}}
	places := Places{}
	for _, o := range d.ops {
		m := b.make(o)
		b.of[o.digest] = m
		if m.step {
			places.Put(o.reported, o.name, m.id)
		}
	}
	for _, v := range b.Sent {
		b.add(v)
	}
	return b.graph, places
}

// graphBuilder turns operations into vertices.
type graphBuilder struct {
	Surroundings
	graph  Graph
	of     map[string]*made // by an operation's digest
	seen   map[ID]bool
	merged map[ID][]ID // what the merges' records stand on
}

// made is what became of an operation.
type made struct {
	id    ID     // the vertex; zero for none
	step  bool   // it leaves records of its own
	local string // the name of a local source
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
	m := &made{id: v.ID, step: true}
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
	var all strings.Builder
	for _, t := range taken {
		digest, ok := b.Content(local, t.path, t.wildcard)
		if !ok {
			return "", false
		}
		fmt.Fprintf(&all, "%q %s ", t.path, digest)
	}
	return all.String(), len(taken) > 0
}

// taken is a path that an operation takes from one of its inputs.
type taken struct {
	path     string
	wildcard bool
}

// takenFrom returns the paths that BuildKit keys by their content (CacheMap in its
// solver/llbsolver/ops/file.go and exec.go): none where it takes the whole input.
func takenFrom(op *pb.Op, input int64) (out []taken) {
	for _, a := range op.GetFile().GetActions() {
		c := a.GetCopy()
		if a.Input == input || a.SecondaryInput == input && c == nil {
			return nil // it is changed
		}
		if c != nil && a.SecondaryInput == input {
			out = append(out, taken{c.Src, c.AllowWildcard})
		}
	}
	for _, m := range op.GetExec().GetMounts() {
		if m.Input != input {
			continue
		}
		if m.Dest == pb.RootMount || !m.Readonly && m.Output != int64(pb.SkipOutput) {
			return nil
		}
		out = append(out, taken{"/" + strings.TrimPrefix(m.Selector, "/"), false})
	}
	return out
}

// outputs are the records that an operation leaves, by the number of its output;
// nil for an output that it does not have. As of BuildKit v0.34, the result of a
// RUN is "mount PATH from exec ARGS" (Exec in its solver/llbsolver/ops/exec.go),
// and everything else has the name of its step.
func outputs(o operation, inputs [][]ID) []*Result {
	switch op := o.op.Op.(type) {
	case *pb.Op_Exec:
		return execOutputs(op.Exec, inputs)
	case *pb.Op_File:
		return fileOutputs(op.File, Normalize(o.name), inputs)
	}
	var on []ID
	for _, in := range inputs {
		on = append(on, in...)
	}
	return []*Result{{Description: Normalize(o.name), On: distinct(on)}}
}

func execOutputs(exec *pb.ExecOp, inputs [][]ID) []*Result {
	args := strings.Join(exec.GetMeta().GetArgs(), " ")
	out := make([]*Result, len(exec.GetMounts()))
	for _, m := range exec.GetMounts() {
		// These leave nothing, whatever output they name: secrets and SSH agents name
		// the first (in BuildKit's client/llb/exec.go).
		switch m.MountType {
		case pb.MountType_SECRET, pb.MountType_SSH, pb.MountType_TMPFS:
			continue
		}
		set(out, m.Output, Result{Description: fmt.Sprintf("mount %s from exec %s", m.Dest, args), On: at(inputs, m.Input)})
	}
	return out
}

// fileOutputs follows each output down to the input that the actions changed.
func fileOutputs(file *pb.FileOp, name string, inputs [][]ID) []*Result {
	actions := file.GetActions()
	bases := make([][]ID, len(actions))
	out := make([]*Result, len(actions))
	for i, a := range actions {
		switch before := a.Input - int64(len(inputs)); {
		case before >= 0 && before < int64(i):
			bases[i] = bases[before]
		default:
			bases[i] = at(inputs, a.Input)
		}
		set(out, a.Output, Result{Description: name, On: bases[i]})
	}
	return out
}

// set sets the nth output. There are no more of them than the list is long.
func set(out []*Result, n int64, r Result) {
	if n >= 0 && n < int64(len(out)) {
		out[n] = &r
	}
}

func at(inputs [][]ID, i int64) []ID {
	if i < 0 || i >= int64(len(inputs)) {
		return nil
	}
	return inputs[i]
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
	v := Vertex{ID: b.identity(o), Kind: Step, Name: o.name, Inputs: distinct(all)}
	b.merged[v.ID] = distinct(flat)
	v.Results = []Result{{Description: Normalize(o.name), On: b.merged[v.ID]}}
	b.add(v)
	return &made{id: v.ID, step: true, tops: [][]ID{{v.ID}}}
}

func (b *graphBuilder) source(o operation, s *pb.SourceOp) *made {
	if ref, ok := strings.CutPrefix(s.Identifier, imageScheme); ok {
		return b.image(ref, o)
	}
	v := Vertex{Kind: Source, Name: o.name}
	scheme, name, _ := strings.Cut(s.Identifier, "://")
	if scheme == "local" {
		// Its attributes tell the session, which differs for every build, and what
		// of the directory is sent. What is copied of it, the copying step says.
		v = Directory(b.Local(name))
		b.add(v)
		return &made{id: v.ID, step: true, local: name, tops: [][]ID{{v.ID}}}
	}
	v.ID = identify("source", s.Identifier, attributes(s.Attrs))
	for _, description := range fetched(scheme, s) {
		v.Results = append(v.Results, Result{Description: description})
	}
	b.add(v)
	return &made{id: v.ID, step: len(v.Results) > 0, tops: [][]ID{{v.ID}}}
}

// fetched returns the descriptions of the records that a source leaves which is
// fetched from elsewhere (in BuildKit's source/http and source/git).
func fetched(scheme string, s *pb.SourceOp) []string {
	switch scheme {
	case "http", "https":
		return []string{"http url " + urlutil.RedactCredentials(s.Identifier)}
	case "git":
		id, err := gitutil.ParseURL("https://" + strings.TrimPrefix(s.Identifier, "git://"))
		if err != nil {
			return nil
		}
		remote := id.Remote
		if full, err := gitutil.ParseURL(s.Attrs[pb.AttrFullRemoteURL]); err == nil {
			remote = full.Remote
		}
		remote = urlutil.RedactCredentials(remote)
		return []string{gitSnapshot + remote, "shared git repo for " + remote}
	}
	return nil
}

// image makes the vertices of an image's layers, and returns the topmost.
func (b *graphBuilder) image(ref string, o operation) *made {
	_, d, _ := strings.Cut(ref, "@")
	layers, ok := b.Layers(ImageSource{Ref: ref, Platform: o.op.Platform})
	if !ok {
		v := Vertex{Kind: Source, Name: o.name, ID: identify("image", ref, o.op.Platform.String())}
		b.add(v)
		b.graph.Images = append(b.graph.Images, Image{Ref: ref, Digest: d, Layers: []ID{v.ID}, Unknown: true})
		return &made{id: v.ID, tops: [][]ID{{v.ID}}}
	}
	layers.Ref = ref
	if d != "" {
		layers.Digest = d
	}
	image, vertices := layers.vertices()
	if p := o.op.Platform; p != nil {
		image.Platform = platforms.FormatAll(p.Spec())
	}
	for _, v := range vertices {
		b.add(v)
	}
	b.graph.Images = append(b.graph.Images, image)
	if len(image.Layers) == 0 {
		return &made{id: identify("empty", ref), tops: [][]ID{nil}}
	}
	top := image.Layers[len(image.Layers)-1]
	return &made{id: top, tops: [][]ID{{top}}}
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
