// Package link finds out which COPY and ADD steps of a build can be linked, so that the
// image is the same and its base image is never pulled: it reads the build's definition,
// proves each step from the files of the base image, writes a Dockerfile with --link, and
// holds the two definitions against each other. It is pure: it asks nobody.
package link

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Chain is how an image is made: its base image, and the steps upon it that change files.
type Chain struct {
	// Image is the base image by its digest; empty where there is none.
	Image    string
	Platform *pb.Platform // of the image; nil where the definition does not say
	Steps    []Step       // from the bottom up
}

// Step is a step that changes files.
type Step struct {
	// Line is where it stands in the Dockerfile; 0 where it does not.
	Line int
	// Keeps is why it cannot be linked whatever the base image is; empty where it may be.
	Keeps string
	// Linked tells that it is linked already.
	Linked bool

	op      string // its digest in the definition
	runs    bool   // it does what nobody can foretell
	actions []action
}

// action is one thing that a step does: it copies something, or makes a directory.
type action struct {
	dest  string // absolute and clean
	slash bool   // it is to be a directory
	chown *pb.ChownOpt
	mode  bool // modes are given anew
	copy  *Copied
	// made is the mode of a directory that is made.
	made uint32
}

// Copied is what is copied.
type Copied struct {
	// Name is the name of the only file; empty where it is not such a file.
	Name string
	// Dir is the directory of this machine that it is copied of; empty for another source.
	Dir string
	// Path is what is taken of it, with a pattern or not.
	Path     string
	Wildcard bool
	// contents tells that of a directory only what is in it is copied, and of a link what it
	// leads to.
	contents bool
	// unpack tells that archives are unpacked, and partial that patterns choose.
	unpack, partial bool
}

// Root is one file or directory that is copied.
type Root struct {
	Name      string
	Directory bool
	// Below is all that is in the directory, by paths in it.
	Below []Below
}

// Below is something in a directory that is copied.
type Below struct {
	Path      string
	Directory bool
	Symlink   bool
	// Attributed tells that it may have extended attributes.
	Attributed bool
}

// Contents tells what is copied: at most all of that. Anything may be left out of directories,
// and of what a pattern names; another root is copied, or the step fails. ok tells that it is
// known.
type Contents func(Copied) (roots []Root, ok bool)

// Read reads how the image of a definition is made. The Dockerfile tells which of its steps
// stand in the last stage, that of target.
func Read(def *pb.Definition, d *Dockerfile) (Chain, error) {
	ops, top, err := parse(def)
	if err != nil {
		return Chain{}, err
	}
	var c Chain
	for at := top; at != ""; {
		o := ops[at]
		if o == nil {
			return Chain{}, fmt.Errorf("a definition without the operation %s", at)
		}
		if source := o.GetSource(); source != nil {
			ref, is := strings.CutPrefix(source.Identifier, "docker-image://")
			if !is {
				c.Steps = append(c.Steps, Step{runs: true, op: at})
			}
			c.Image, c.Platform = ref, o.Platform
			break
		}
		var s Step
		s, at = ops.step(at)
		if line, own := lineOf(def, s.op, d); own {
			s.Line = line
		}
		s.Keeps = s.keeps(d)
		c.Steps = append(c.Steps, s)
	}
	slices.Reverse(c.Steps)
	c.keepBesideRuns()
	return c, nil
}

// keeps is why a step cannot be linked, by itself.
func (s *Step) keeps(d *Dockerfile) string {
	switch {
	case s.Linked, s.runs, !s.copies():
		return ""
	case s.Line == 0:
		return "it does not stand in this Dockerfile"
	case !d.copies(s.Line):
		return "the base image's ONBUILD copies something here"
	case !d.inLast(s.Line):
		return "it stands in another stage"
	case saysLink(d.node(s.Line)):
		return "the Dockerfile asks for that (--link=false)"
	}
	for _, a := range s.actions {
		if a.mode {
			return "BuildKit links nothing with --chmod"
		}
	}
	return ""
}

// copies tells whether a step copies something.
func (s *Step) copies() bool { return len(s.actions) > 0 && s.actions[0].copy != nil }

// BesideRun is why a step is not linked where a step of its chain may do anything.
const BesideRun = "a RUN stands before or after it: that needs the base image in any case, and what it leaves or reads is not known beforehand"

// keepBesideRuns keeps what stands below or above a step that may do anything: what that
// leaves, or reads, is not known before it has run.
func (c *Chain) keepBesideRuns() {
	if !slices.ContainsFunc(c.Steps, func(s Step) bool { return s.runs }) {
		return
	}
	for i := range c.Steps {
		c.Steps[i].Keeps = cmp.Or(c.Steps[i].Keeps, BesideRun)
	}
}

// IsCandidate tells whether a step may be linked.
func (s *Step) IsCandidate() bool { return s.copies() && !s.Linked && s.Keeps == "" }

// IsCopy tells whether it is a COPY or ADD that is not linked yet.
func (s *Step) IsCopy() bool { return s.copies() && !s.Linked }

// Watch adds what has to be known of the base image to tell of the chain.
func (c *Chain) Watch(w *Watch) {
	for _, s := range c.Steps {
		for _, a := range s.actions {
			w.Add(a.dest)
		}
	}
}

// local is how a source begins that is a directory of this machine.
const local = "local://"

// operations are those of a definition, by their digests.
type operations map[string]*pb.Op

// parse reads a definition; top is the digest of the operation whose first output is the result.
func parse(def *pb.Definition) (ops operations, top string, err error) {
	ops = operations{}
	for _, raw := range def.GetDef() {
		op := &pb.Op{}
		if err := op.UnmarshalVT(raw); err != nil {
			return nil, "", fmt.Errorf("a definition that does not parse: %w", err)
		}
		if op.Op == nil {
			if len(op.Inputs) == 1 {
				top = op.Inputs[0].Digest
			}
			continue
		}
		ops[digest.FromBytes(raw).String()] = op
	}
	return ops, top, nil
}

// step reads the operation with a digest; on is the digest of what it stands on, empty for
// nothing.
func (ops operations) step(at string) (s Step, on string) {
	s.op = at
	o := ops[at]
	if merge := o.GetMerge(); merge != nil && len(o.Inputs) == 2 {
		upper := ops[o.Inputs[1].Digest]
		if actions, base, ok := ops.fileActions(upper); ok && base == -1 {
			s.actions, s.Linked = actions, true
			return s, o.Inputs[0].Digest
		}
	}
	if actions, base, ok := ops.fileActions(o); ok {
		s.actions = actions
		if base >= 0 {
			on = o.Inputs[base].Digest
		}
		return s, on
	}
	s.runs = true
	if len(o.Inputs) > 0 {
		on = o.Inputs[0].Digest
	}
	return s, on
}

// fileActions reads an operation that copies, or makes a directory; base is the number of the
// input that it works on, -1 for an empty file system.
func (ops operations) fileActions(o *pb.Op) (actions []action, base int64, ok bool) {
	all := o.GetFile().GetActions()
	if len(all) == 0 {
		return nil, 0, false
	}
	for i, f := range all {
		if i > 0 && f.Input != int64(len(o.Inputs)+i-1) {
			return nil, 0, false
		}
		var a action
		switch {
		case f.GetCopy() != nil:
			a, ok = ops.copyAction(o, f)
		case f.GetMkdir() != nil:
			m := f.GetMkdir()
			a, ok = action{dest: path.Clean("/" + m.Path), chown: m.Owner, made: uint32(m.Mode) & 0o777}, m.MakeParents && len(all) == 1
		default:
			ok = false
		}
		if !ok {
			return nil, 0, false
		}
		actions = append(actions, a)
	}
	base = all[0].Input
	return actions, base, base < int64(len(o.Inputs))
}

func (ops operations) copyAction(o *pb.Op, f *pb.FileAction) (action, bool) {
	c := f.GetCopy()
	if f.SecondaryInput < 0 || f.SecondaryInput >= int64(len(o.Inputs)) || !c.CreateDestPath || c.AlwaysReplaceExistingDestPaths {
		return action{}, false
	}
	a := action{dest: path.Clean("/" + c.Dest), chown: c.Owner, mode: c.Mode != -1 || c.ModeStr != ""}
	a.slash = strings.HasSuffix(c.Dest, "/") || strings.HasSuffix(c.Dest, "/.") || a.dest == "/"
	a.copy = &Copied{Path: c.Src, Wildcard: c.AllowWildcard && strings.ContainsAny(c.Src, `*?[\`), contents: c.DirCopyContents && c.FollowSymlink,
		unpack: c.AttemptUnpackDockerCompatibility, partial: len(c.IncludePatterns) > 0 || readmits(c.ExcludePatterns)}
	from := ops[o.Inputs[f.SecondaryInput].Digest]
	switch source := from.GetSource().GetIdentifier(); {
	case strings.HasPrefix(source, local):
		a.copy.Dir = strings.TrimPrefix(source, local)
	case strings.HasPrefix(source, "http://"), strings.HasPrefix(source, "https://"), ops.isDocument(from):
		a.copy.Name = path.Base(c.Src)
	}
	return a, true
}

// readmits tells whether patterns take in again what others leave out: then directories on the
// way to that are copied in a way of their own.
func readmits(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(strings.TrimSpace(p), "!") })
}

// isDocument tells whether an operation makes one file and nothing else, as one does for a
// document within a Dockerfile.
func (ops operations) isDocument(o *pb.Op) bool {
	actions := o.GetFile().GetActions()
	return len(actions) == 1 && actions[0].GetMkfile() != nil && actions[0].Input == -1
}

// lineOf is where an operation begins in the Dockerfile. A definition may have steps of others.
func lineOf(def *pb.Definition, op string, d *Dockerfile) (line int, own bool) {
	infos := def.GetSource().GetInfos()
	for _, l := range def.GetSource().GetLocations()[op].GetLocations() {
		if int(l.SourceIndex) >= len(infos) || string(infos[l.SourceIndex].Data) != d.text {
			continue
		}
		for _, r := range l.Ranges {
			if at := int(r.GetStart().GetLine()); line == 0 || at < line {
				line, own = at, true
			}
		}
	}
	return line, own
}
