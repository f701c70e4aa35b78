package graph

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"sync"

	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/proto"
)

// Detail is what makes an operation the one that it is, in parts that can be told to
// people and compared with those of another.
type Detail struct {
	// Text is what the step is called, without where it stands.
	Text string
	// Line is of the Dockerfile; 0 where it stands in none, or in another.
	Line int
	// Op is what it does; empty for what is fetched from elsewhere.
	Op Op
	// Env are the variables that it is given, as NAME=VALUE.
	Env []string
	// Parts are what else tells it from others, by what people call that: the user, the
	// directory that it works in, and digests of what is too long to show.
	Parts map[string]string
	// On are the vertices that it is made from, but for directories that are sent.
	On []ID
	// Files are what it takes of directories that are sent: digests of files by their paths;
	// without one what is not told.
	Files map[string]string
	// Owner is the name by which it gives files an owner; empty where a number does, or nothing.
	Owner string
	// Caches are the paths of its cache mounts.
	Caches []string
	// NoCache says that it was asked to be made anew.
	NoCache bool
}

// Op is what an operation does.
type Op string

// What operations do.
const (
	Exec  Op = "exec"
	Copy  Op = "copy"
	File  Op = "file" // WORKDIR, and files that stand in the Dockerfile
	Merge Op = "merge"
)

// Detail returns what made a vertex: an operation, or an image for its topmost layer.
func (g *Graph) Detail(id ID) (Detail, bool) {
	for _, of := range g.details {
		if d, is := of(id); is {
			return d, true
		}
	}
	return Detail{}, false
}

// details returns what tells of each vertex of a definition what made it. That is found
// out only where it is asked for: most vertices are known from other jobs.
func (b *graphBuilder) details(d *Definition) func(ID) (Detail, bool) {
	operations := sync.OnceValue(func() map[ID]operation {
		of := make(map[ID]operation, len(d.ops))
		for _, o := range d.ops {
			if m := b.of[o.digest]; m.id != (ID{}) {
				of[m.id] = o
			}
		}
		return of
	})
	return func(id ID) (Detail, bool) {
		o, is := operations()[id]
		if !is {
			return Detail{}, false
		}
		return b.detail(d, o), true
	}
}

// lineIn is where an operation stands in a Dockerfile of a text; 0 where it stands in none,
// or in another.
func (d *Definition) lineIn(dockerfile []byte, op string) int {
	if text, line := d.placeOf(op); bytes.Equal(text, dockerfile) {
		return line
	}
	return 0
}

func (b *graphBuilder) detail(d *Definition, o operation) Detail {
	out := Detail{Text: Normalize(o.name), Line: d.lineIn(b.Dockerfile, o.digest), NoCache: o.noCache, Parts: map[string]string{}}
	for i, in := range o.op.Inputs {
		m := b.of[in.Digest]
		if m == nil {
			continue
		}
		if m.local == "" {
			out.On = append(out.On, b.top(in)...)
			continue
		}
		if out.Files == nil {
			out.Files = map[string]string{}
		}
		maps.Copy(out.Files, b.filesOf(o.op, int64(i), m.local))
	}
	out.On = distinct(out.On)
	rest := o.op.CloneVT()
	rest.Inputs = nil
	if p := o.op.Platform; p != nil {
		out.Parts["platform"] = strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
		rest.Platform = nil
	}
	switch op := rest.Op.(type) {
	case *pb.Op_Exec:
		out.ofExec(op.Exec)
	case *pb.Op_File:
		out.ofFile(op.File)
	case *pb.Op_Merge:
		out.Op = Merge
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(rest)
	if err != nil {
		raw = []byte(o.digest)
	}
	out.Parts["settings"] = short(string(raw))
	return out
}

// filesOf are what an operation takes of a directory that is sent.
func (b *graphBuilder) filesOf(op *pb.Op, input int64, local string) map[string]string {
	files := map[string]string{}
	taken := takenFrom(op, input)
	if len(taken) == 0 {
		taken = whole
	}
	for _, t := range taken {
		var read map[string]string
		if b.Files != nil {
			read = b.Files(local, t)
		}
		if len(read) == 0 {
			files[strings.TrimPrefix(t.Path, "/")] = ""
		}
		maps.Copy(files, read)
	}
	return files
}

// ofExec takes the parts of a RUN step, and leaves of it what is in none of them.
func (d *Detail) ofExec(exec *pb.ExecOp) {
	d.Op = Exec
	if meta := exec.GetMeta(); meta != nil {
		d.Env, d.Parts["command"], d.Parts["user"], d.Parts["directory"] = meta.Env, short(strings.Join(meta.Args, "\x00")), meta.User, meta.Cwd
		meta.Env, meta.Args, meta.User, meta.Cwd, meta.ProxyEnv, meta.RemoveMountStubsRecursive = nil, nil, "", "", nil, false
	}
	for _, m := range exec.GetMounts() {
		if m.MountType == pb.MountType_CACHE {
			d.Caches = append(d.Caches, m.Dest)
		}
	}
}

// ofFile takes the parts of a COPY, ADD or WORKDIR step.
func (d *Detail) ofFile(file *pb.FileOp) {
	d.Op = File
	for _, a := range file.GetActions() {
		c := a.GetCopy()
		if c == nil {
			continue
		}
		d.Op = Copy
		if name := c.GetOwner().GetUser().GetByName(); name != nil {
			d.Owner = name.Name
		}
		if name := c.GetOwner().GetGroup().GetByName(); name != nil && d.Owner == "" {
			d.Owner = name.Name
		}
	}
}

// short is a digest that tells few things apart.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
