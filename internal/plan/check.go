package plan

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"

	"github.com/stoker-build/stoker/internal/imageref"
)

// check finds what is wrong with the Dockerfile before anything is built with
// these options: that it does not parse, that the target is no stage of it, that
// a FROM stays blank, or that baseArg, if there is one, has no effect, so that
// the base image makes no difference. What only a frontend of its own knows is
// left to that.
func (s *Source) check(ctx context.Context, o build.Options, baseArg string) error {
	covered, sure := s.syntax(o)
	if !covered {
		return nil
	}
	fail := func(problem, hint string) error {
		return &InputError{What: s.name, Problems: []string{problem}, Hint: hint, File: s.name, Line: lineOf(problem)}
	}
	stages, args, err := parseDockerfile(s.dockerfile)
	switch {
	case err != nil && sure:
		return fail(err.Error(), "")
	case err != nil:
		return nil
	case len(stages) == 0:
		return fail("it has no stages", "a Dockerfile needs at least one FROM")
	case !hasStage(stages, o.Target):
		return fail(s.words.noStage(o.Target, stageNames(stages)))
	}
	_, err = convert(ctx, s.dockerfile, o, o.BuildArgs, &imageNotes{})
	if err != nil && strings.Contains(err.Error(), blankBase) {
		return fail(err.Error(), s.words.blankBaseHint(baseArg))
	}
	if baseArg == "" || err != nil || s.dependsOn(ctx, o, baseArg) {
		return nil
	}
	hint := fmt.Sprintf("begin with ARG %s and FROM ${%s}, or name another argument with --base-arg", baseArg, baseArg)
	switch {
	case !declares(stages, args, baseArg):
		return fail(fmt.Sprintf("it never declares ARG %s, so that every image would be built on the same base", baseArg), hint)
	case o.Target != "":
		return fail(fmt.Sprintf("ARG %s makes no difference to the stage %q, which --target asks for, so that every image would be the same", baseArg, o.Target), hint)
	}
	return fail(fmt.Sprintf("ARG %s makes no difference to what is built, so that every image would be the same", baseArg), hint)
}

// noStage says that a Dockerfile has no such stage, which it has, and which was
// probably meant.
func (w words) noStage(target string, stages []string) (problem, hint string) {
	problem = fmt.Sprintf("no stage is named %q, as %s asks", target, w.target)
	if near, found := suggest.Search(target, stages, false); found {
		problem += fmt.Sprintf("; did you mean %q?", near)
	}
	if len(stages) == 0 {
		return problem, "no stage has a name: give one with FROM ... AS NAME, or leave " + w.target + " out"
	}
	return problem, "named stages: " + strings.Join(stages, ", ")
}

// blankBaseHint says how a FROM gets the argument that it names.
func (w words) blankBaseHint(baseArg string) string {
	if baseArg == "" {
		return w.argHint
	}
	return fmt.Sprintf("each base image is passed as the argument %s: let this FROM name it, "+
		"or say with --base-arg which argument takes the base image; others are given with --build-arg", baseArg)
}

// How BuildKit's converter says that the arguments of a FROM are not given
// (frontend/dockerfile/dockerfile2llb/convert.go).
const blankBase = "should not be blank"

// The frontend image that BuildKit's own converter is made into.
const dockerfileFrontend = "docker.io/docker/dockerfile"

// syntax tells whether the Dockerfile is in a syntax that BuildKit's converter
// in this process covers, and whether surely so: a frontend image of another
// version may know more.
func (s *Source) syntax(o build.Options) (covered, sure bool) {
	if s.dockerfile == nil {
		return false, false
	}
	image := s.frontend(o)
	if image == "" {
		return true, true
	}
	ref, err := imageref.Parse(image)
	return err == nil && ref.Repository() == dockerfileFrontend, false
}

// frontend returns the image of the frontend that a build asks for, by an argument or the
// first line of its Dockerfile; empty for BuildKit's own.
func (s *Source) frontend(o build.Options) string {
	if arg := o.BuildArgs["BUILDKIT_SYNTAX"]; arg != "" {
		return arg
	}
	image, _, _, _ := parser.DetectSyntax(s.dockerfile)
	return image
}

// InDoubt returns a job for all where they have one Dockerfile that only the
// frontend of its syntax line can say to be right: this process does not know that
// frontend, or does not parse the Dockerfile itself. It is nil elsewhere.
func (p *Plan) InDoubt() *Job {
	if len(p.Jobs) == 0 {
		return nil
	}
	first := p.Jobs[0]
	text := first.Source.dockerfile
	others := func(j *Job) bool { return !bytes.Equal(j.Source.dockerfile, text) }
	covered, sure := first.Source.syntax(first.Options)
	if text == nil || sure || slices.ContainsFunc(p.Jobs, others) {
		return nil
	}
	if _, _, err := parseDockerfile(text); covered && err == nil {
		return nil
	}
	return first
}

// DoesNotParse is the error of a Dockerfile of which its frontend says that it
// does not parse.
func (s *Source) DoesNotParse(err error) error {
	return &InputError{What: s.name, Problems: []string{err.Error()}, File: s.name, Line: lineOf(err.Error())}
}

// onLine is how BuildKit's parser says where a mistake is.
var onLine = regexp.MustCompile(`^dockerfile parse error on line (\d+): `)

// lineOf reads in which line a mistake is; 0 where that is not said.
func lineOf(problem string) int {
	if said := onLine.FindStringSubmatch(problem); said != nil {
		line, _ := strconv.Atoi(said[1])
		return line
	}
	return 0
}

// Stages are those of the Dockerfile, as BuildKit's parser in this process reads them.
func (s *Source) Stages() ([]instructions.Stage, error) {
	stages, _, err := parseDockerfile(s.dockerfile)
	return stages, err
}

func parseDockerfile(dockerfile []byte) ([]instructions.Stage, []instructions.ArgCommand, error) {
	tree, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return nil, nil, err
	}
	return instructions.Parse(tree.AST, nil)
}

// dependsOn tells whether an argument makes a difference to what is built. The
// values that it is tried with can be an image's name, a part of one, or a tag.
// Where the Dockerfile does not convert with them, the answer is yes: it cannot
// be told. Named contexts are left out of account: the base image may be one of them.
func (s *Source) dependsOn(ctx context.Context, o build.Options, arg string) bool {
	o.Inputs.NamedContexts = nil
	var results []*converted
	for _, value := range []string{"stoker-one", "stoker-two"} {
		args := maps.Clone(o.BuildArgs)
		args[arg] = value
		result, err := convert(ctx, s.dockerfile, o, args, &imageNotes{})
		if err != nil {
			return true
		}
		results = append(results, result)
	}
	return !results[0].same(results[1])
}

func hasStage(stages []instructions.Stage, target string) bool {
	return target == "" || slices.ContainsFunc(stages, func(st instructions.Stage) bool { return strings.EqualFold(st.Name, target) })
}

// StageNames returns the names of a Dockerfile's stages; none where it cannot be
// parsed.
func StageNames(dockerfile []byte) []string {
	stages, _, err := parseDockerfile(dockerfile)
	if err != nil {
		return nil
	}
	return stageNames(stages)
}

func stageNames(stages []instructions.Stage) []string {
	var names []string
	for _, st := range stages {
		if st.Name != "" {
			names = append(names, st.Name)
		}
	}
	return names
}

func declares(stages []instructions.Stage, global []instructions.ArgCommand, name string) bool {
	return slices.ContainsFunc(argCommands(stages, global), func(c instructions.ArgCommand) bool {
		return slices.ContainsFunc(c.Args, func(kv instructions.KeyValuePairOptional) bool { return kv.Key == name })
	})
}
