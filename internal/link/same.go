package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/proto"
)

// Same makes sure that a definition is another one with just some steps linked. The verdicts
// are those of the steps that are to be. It returns by what the linked steps are called now
// what they were called before, which is how the Dockerfile has them.
func Same(plain, linked *pb.Definition, verdicts []Verdict) (written map[string]string, err error) {
	from, top, err := parse(plain)
	if err != nil {
		return nil, err
	}
	to, linkedTop, err := parse(linked)
	if err != nil {
		return nil, err
	}
	c := comparison{plain: from, linked: to, edits: map[string]Edit{}, found: map[string]string{}, known: map[[2]string]error{}}
	for _, v := range verdicts {
		c.edits[v.op] = v.Edit
	}
	if err := c.same(top, linkedTop); err != nil {
		return nil, err
	}
	if len(c.found) != len(c.edits) {
		return nil, fmt.Errorf("%d of %d steps are linked", len(c.found), len(c.edits))
	}
	written = map[string]string{}
	for was, merge := range c.found {
		before := nameOf(plain, was)
		written[nameOf(linked, merge)] = before
		written[nameOf(linked, to[merge].Inputs[1].Digest)] = before
	}
	return written, nil
}

// nameOf is what a frontend calls an operation, without where it stands among others.
func nameOf(def *pb.Definition, op string) string {
	name := def.Metadata[op].GetDescription()["llb.customname"]
	if _, rest, placed := strings.Cut(name, "] "); placed && strings.HasPrefix(name, "[") {
		return rest
	}
	return name
}

// comparison holds the operations of two definitions against each other.
type comparison struct {
	plain, linked operations
	edits         map[string]Edit   // by the digests of plain operations
	found         map[string]string // of these, those that are linked, with the digests of their merges
	known         map[[2]string]error
}

var errDiffers = errors.New("something else is different, too")

// same compares two operations by their digests, with all that they stand on.
func (c *comparison) same(a, b string) error {
	key := [2]string{a, b}
	if err, known := c.known[key]; known {
		return err
	}
	c.known[key] = c.compare(a, b)
	return c.known[key]
}

func (c *comparison) compare(a, b string) error {
	x, y := c.plain[a], c.linked[b]
	if x == nil || y == nil {
		if a == b {
			return nil
		}
		return errDiffers
	}
	if e, is := c.edits[a]; is {
		c.found[a] = b
		return c.isLink(x, y, e)
	}
	if !equalOps(x, y) {
		return errDiffers
	}
	return c.sameInputs(x.Inputs, y.Inputs)
}

func (c *comparison) sameInputs(x, y []*pb.Input) error {
	if len(x) != len(y) {
		return errDiffers
	}
	for i := range x {
		if x[i].Index != y[i].Index {
			return errDiffers
		}
		if err := c.same(x[i].Digest, y[i].Digest); err != nil {
			return err
		}
	}
	return nil
}

// equalOps tells whether two operations do the same to their inputs.
func equalOps(x, y *pb.Op) bool {
	x, y = x.CloneVT(), y.CloneVT()
	x.Inputs, y.Inputs = nil, nil
	for _, o := range []*pb.Op{x, y} {
		if source := o.GetSource(); strings.HasPrefix(source.GetIdentifier(), local) {
			// These differ from question to question.
			delete(source.Attrs, pb.AttrLocalUniqueID)
			delete(source.Attrs, pb.AttrLocalSessionID)
		}
	}
	return proto.Equal(x, y)
}

// isLink makes sure that one operation is a merge of what another works on with what that
// one copies.
func (c *comparison) isLink(x, merge *pb.Op, e Edit) error {
	if merge.GetMerge() == nil || len(merge.Inputs) != 2 {
		return fmt.Errorf("the builder does not link line %d", e.Line)
	}
	y := c.linked[merge.Inputs[1].Digest]
	from, to := x.GetFile().GetActions(), y.GetFile().GetActions()
	if len(from) == 0 || len(from) != len(to) || from[0].Input < 0 || to[0].Input != -1 {
		return errDiffers
	}
	base := x.Inputs[from[0].Input]
	if merge.Inputs[0].Index != base.Index {
		return errDiffers
	}
	if err := c.same(base.Digest, merge.Inputs[0].Digest); err != nil {
		return err
	}
	for i := range from {
		f, t := from[i], to[i]
		if i > 0 && t.Input != int64(len(y.Inputs)+i-1) || f.Output != t.Output {
			return errDiffers
		}
		if err := c.sameInputs(sourceOf(x, f), sourceOf(y, t)); err != nil {
			return err
		}
		if !equalCopies(f.GetCopy(), t.GetCopy(), e.Owner) {
			return errDiffers
		}
	}
	return nil
}

// sourceOf is the input that is copied from.
func sourceOf(o *pb.Op, f *pb.FileAction) []*pb.Input {
	if f.SecondaryInput < 0 || f.SecondaryInput >= int64(len(o.Inputs)) {
		return nil
	}
	return o.Inputs[f.SecondaryInput : f.SecondaryInput+1]
}

// equalCopies tells whether two copies are the same but for the names of an owner, in the
// place of which the numbers stand.
func equalCopies(x, y *pb.FileActionCopy, owner *Owner) bool {
	if x == nil || y == nil {
		return false
	}
	if owner != nil {
		x = x.CloneVT()
		x.Owner = &pb.ChownOpt{User: byID(owner.UID), Group: byID(owner.GID)}
	}
	return proto.Equal(x, y)
}

func byID(id int) *pb.UserOpt { return &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: uint32(id)}} }

// SameConfig makes sure that the config of an image is that of another but for times, and in
// the history for names of owners in the place of which numbers stand.
func SameConfig(plain, linked []byte) error {
	var x, y map[string]any
	if err := errors.Join(json.Unmarshal(plain, &x), json.Unmarshal(linked, &y)); err != nil {
		return err
	}
	from, to := history(x), history(y)
	if len(from) != len(to) {
		return errDiffers
	}
	for i := range from {
		if !reflect.DeepEqual(from[i], to[i]) {
			return errDiffers
		}
	}
	for _, config := range []map[string]any{x, y} {
		maps.DeleteFunc(config, func(key string, _ any) bool { return key == "created" || key == "history" })
	}
	if !reflect.DeepEqual(x, y) {
		return errDiffers
	}
	return nil
}

// history is that of a config without times and owners.
func history(config map[string]any) (entries []map[string]any) {
	list, _ := config["history"].([]any)
	for _, e := range list {
		entry, _ := e.(map[string]any)
		entry = maps.Clone(entry)
		delete(entry, "created")
		if by, is := entry["created_by"].(string); is {
			words := strings.Fields(by)
			for i, w := range words {
				if strings.HasPrefix(w, "--chown=") {
					words[i] = "--chown"
				}
			}
			entry["created_by"] = strings.Join(words, " ")
		}
		entries = append(entries, entry)
	}
	return entries
}
