package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/suggest"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

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
	image, _, _, named := parser.DetectSyntax(s.dockerfile)
	if arg := o.BuildArgs["BUILDKIT_SYNTAX"]; arg != "" {
		image, named = arg, true
	}
	if !named {
		return true, true
	}
	ref, err := imageref.Parse(image)
	return err == nil && ref.Repository() == dockerfileFrontend, false
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
// be told.
func (s *Source) dependsOn(ctx context.Context, o build.Options, arg string) bool {
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

// converted is what a Dockerfile says is to be done, and the configuration of
// the image that comes of it.
type converted struct {
	graph  *llb.Definition
	config []byte
}

func (c *converted) same(other *converted) bool {
	return bytes.Equal(c.config, other.config) && slices.EqualFunc(c.graph.Def, other.graph.Def, bytes.Equal)
}

// convert converts a Dockerfile the way that BuildKit's frontend does, with
// images as notes has them, for the first platform of the options.
func convert(ctx context.Context, dockerfile []byte, o build.Options, args map[string]string, notes *imageNotes) (*converted, error) {
	platform := platforms.DefaultSpec()
	if len(o.Platforms) > 0 {
		platform = o.Platforms[0]
	}
	local := llb.Local("context", llb.LocalUniqueID("context")) // else each conversion would have one of its own
	caps := pb.Caps.CapSet(pb.Caps.All())                       // without merge, COPY --link would convert to a plain COPY
	result, err := dockerfile2llb.Dockerfile2LLB(ctx, dockerfile, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildArgs: args, Target: o.Target},
		MainContext:    &local,
		MetaResolver:   notes,
		SourceMap:      llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", dockerfile),
		LLBCaps:        &caps,
		TargetPlatform: &platform,
	})
	if err != nil {
		return nil, err
	}
	graph, err := result.State.Marshal(ctx, llb.Platform(platform))
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(result.Image.Config)
	return &converted{graph, config}, err
}

// Reads returns the images that the job's Dockerfile names for the target, as
// BuildKit's converter in this process tells without asking anybody: its FROM,
// COPY --from and RUN --mount=from. It returns none where it cannot tell.
func (j *Job) Reads(ctx context.Context) []string {
	if covered, _ := j.Source.syntax(j.Options); !covered {
		return nil
	}
	notes := &imageNotes{}
	if _, err := convert(ctx, j.Source.dockerfile, j.Options, j.Options.BuildArgs, notes); err != nil {
		return nil
	}
	return notes.refs()
}

// imageNotes is a resolver that notes what it is asked and says that every
// image is one layer: an image without any would convert as FROM scratch does.
type imageNotes struct {
	mu     sync.Mutex
	images []Image
}

// ResolveImageConfig implements BuildKit's llb.ImageMetaResolver.
func (n *imageNotes) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var platform *ocispecs.Platform
	if opt.ImageOpt != nil {
		platform = opt.ImageOpt.Platform
	}
	n.note(ref, platform)
	config := ocispecs.Image{RootFS: ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("layer")}}}
	if platform != nil {
		config.Platform = platforms.Normalize(*platform)
	}
	data, err := json.Marshal(config)
	return ref, digest.FromString(ref), data, err
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
