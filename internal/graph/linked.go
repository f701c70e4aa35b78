package graph

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/urlutil"
)

// Linked is how the image of a build is made that leaves its base image as it is: what
// steps have made without it is laid upon it, as COPY --link does. Nothing of the base is
// needed for that but the digests of its layers.
type Linked struct {
	Base Image
	// Steps are those whose results are laid upon the base, bottom first. They are equal
	// for equal results.
	Steps []ID
	// Frontend is what the frontend tells of the image.
	Frontend Frontend
}

// Frontend is what a frontend tells of an image beside its graph.
type Frontend struct {
	// Config is the image's configuration, in which nothing is known yet of the layers
	// that are to be made. BaseConfig is that of its base image.
	Config, BaseConfig []byte
	// Epoch is the moment, in seconds, that what is made is to be of; empty for none.
	Epoch string
}

// linked tells how the build's image is made, or why it is not made by linking alone.
func (d *Definition) linked(b *graphBuilder, ops map[string]operation) (*Linked, string) {
	l := &Linked{}
	for at := d.result; at != nil; {
		o := ops[at.Digest]
		switch op := o.op.GetOp().(type) {
		case *pb.Op_Merge:
			merged := mergedInputs(o.op, op.Merge)
			for _, in := range slices.Backward(merged[min(1, len(merged)):]) {
				if mutable := mutableSource(ops, in.Digest); mutable != "" {
					return nil, fmt.Sprintf("%s may be something else each time it is fetched", mutable)
				}
				l.Steps = append(l.Steps, b.linkedStep(in))
			}
			at = nil
			if len(merged) > 0 {
				at = merged[0]
			}
			continue
		case *pb.Op_Source:
			if image, is := b.imageOf[o.digest]; is && !image.Unknown && image.Digest != "" {
				slices.Reverse(l.Steps)
				l.Base = image
				return l, ""
			}
			return nil, "it is not built on an image of a registry whose layers are known"
		case nil:
			return nil, "it is not known what its image is made of"
		}
		return nil, fmt.Sprintf("%q needs the files of the image below it", o.name)
	}
	return nil, "it has no base image"
}

func (d *Definition) byDigest() map[string]operation {
	ops := make(map[string]operation, len(d.ops))
	for _, o := range d.ops {
		ops[o.digest] = o
	}
	return ops
}

// copies tells whether the build only copies files onto a base image, whose layers are known.
func (d *Definition) copies(b *graphBuilder, ops map[string]operation) bool {
	for at := d.result; at != nil; {
		o := ops[at.Digest]
		switch o.op.GetOp().(type) {
		case *pb.Op_Source:
			image, is := b.imageOf[o.digest]
			return is && !image.Unknown
		case *pb.Op_Merge, *pb.Op_File: // what they change comes first
			at = nil
			if len(o.op.Inputs) > 0 {
				at = o.op.Inputs[0]
			}
		default:
			return false
		}
	}
	return false
}

// mergedInputs are what a merge lays upon each other, bottom first.
func mergedInputs(op *pb.Op, merge *pb.MergeOp) (inputs []*pb.Input) {
	for _, in := range merge.GetInputs() {
		if i := int(in.GetInput()); i >= 0 && i < len(op.Inputs) {
			inputs = append(inputs, op.Inputs[i])
		}
	}
	return inputs
}

// linkedStep identifies what is laid upon a base.
func (b *graphBuilder) linkedStep(in *pb.Input) ID {
	var id ID
	if m := b.of[in.Digest]; m != nil {
		id = m.id
	}
	return identify("linked", id.String(), fmt.Sprint(in.Index))
}

// commit matches a git reference that is one commit for all times.
var commit = regexp.MustCompile(`#[0-9a-f]{40}(?:[0-9a-f]{24})?(?::|$)`)

// mutableSource returns what an operation is made from that may have changed when it is
// fetched again; empty where nothing may.
func mutableSource(ops map[string]operation, digest string) string {
	seen := map[string]bool{}
	var look func(digest string) string
	look = func(digest string) string {
		o, known := ops[digest]
		if seen[digest] || !known {
			return ""
		}
		seen[digest] = true
		if s := o.op.GetSource(); s != nil && isMutable(s) {
			return urlutil.RedactCredentials(s.Identifier)
		}
		for _, in := range o.op.Inputs {
			if found := look(in.Digest); found != "" {
				return found
			}
		}
		return ""
	}
	return look(digest)
}

func isMutable(s *pb.SourceOp) bool {
	scheme, _, _ := strings.Cut(s.Identifier, "://")
	switch scheme {
	case "http", "https":
		return s.Attrs[pb.AttrHTTPChecksum] == ""
	case "git":
		return s.Attrs[pb.AttrGitChecksum] == "" && !commit.MatchString(s.Identifier)
	case "docker-image":
		return !strings.Contains(s.Identifier, "@")
	}
	return false
}
