package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/plan"
)

// Presence is what a builder says of an image.
type Presence string

// What it can say.
const (
	Present       Presence = "present"
	Missing       Presence = "missing"        // its registry says that there is none
	Denied        Presence = "denied"         // its registry does not let it be read
	OtherPlatform Presence = "other_platform" // it is there, for other platforms alone
	Untold        Presence = "untold"         // it could not be found out
)

// ImageAnswer is what a builder says of an image for a platform.
type ImageAnswer struct {
	Presence Presence
	// Platform is what an image that is present says to be for; empty where it does not.
	Platform string
	// Why is in the builder's words why it is not present.
	Why string
}

// AskImages asks the builder about images, many at a time, and tells found of each answer
// as it comes, from several goroutines. No layer is pulled. The error says that the
// builder could not be asked at all.
func (b *Builder) AskImages(ctx context.Context, images []plan.Image, pull bool, found func(plan.Image, ImageAnswer)) error {
	if len(images) == 0 {
		return nil
	}
	asked := b.Nodes()[0]
	first := asked.node.Driver
	c, err := first.Client(ctx)
	if err != nil {
		return err
	}
	mode := ""
	switch {
	case pull:
		mode = pb.AttrImageResolveModeForcePull
	case first.IsMobyDriver():
		mode = pb.AttrImageResolveModePreferLocal
	}
	_, err = c.Build(ctx, client.SolveOpt{Internal: true, Session: b.session(&plan.Job{})}, "stoker",
		func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			c = newConsiderate(c, func(ctx context.Context) bool { return asked.Answers(ctx) == nil })
			var group errgroup.Group
			group.SetLimit(graphWorkers)
			for _, image := range images {
				group.Go(func() error {
					found(image, b.images.answer(ctx, c, image, mode))
					return nil
				})
			}
			_ = group.Wait()
			return gateway.NewResult(), nil
		}, nil)
	return err
}

// answer asks about one image.
func (m *images) answer(ctx context.Context, c gateway.Client, asked plan.Image, mode string) ImageAnswer {
	opt := sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: mode}}
	if asked.Platform != "" {
		p, err := platforms.Parse(asked.Platform)
		if err != nil {
			return ImageAnswer{Presence: Untold, Why: err.Error()}
		}
		opt.ImageOpt.Platform = &p
	}
	i, err := m.resolve(ctx, c, asked.Ref, opt)
	if err != nil {
		return answerOf(err)
	}
	var config ocispecs.Image
	if err := json.Unmarshal(i.config, &config); err != nil {
		return ImageAnswer{Presence: Untold, Why: fmt.Sprintf("its config: %s", err)}
	}
	answer := ImageAnswer{Presence: Present}
	if config.OS != "" && config.Architecture != "" {
		answer.Platform = platforms.FormatAll(platforms.Normalize(config.Platform))
	}
	return answer
}

// noPlatform is how BuildKit tells that an index has nothing for a platform.
var noPlatform = regexp.MustCompile(`no match for platform in manifest`)

// answerOf reads an error in place of an image.
func answerOf(err error) ImageAnswer {
	answer := ImageAnswer{Presence: Untold, Why: trimmed(err.Error())}
	switch class, why := Classify(err); {
	case class == Permanent && noPlatform.MatchString(err.Error()):
		answer.Presence = OtherPlatform
	case class == Permanent && why == noSuchImage:
		answer.Presence = Missing
	case class == Permanent && why == accessDenied:
		answer.Presence = Denied
	}
	return answer
}

// PresenceOf tells what a failure's reason says of an image, by the words of Classify;
// Untold where it is about something else.
func PresenceOf(why string) Presence {
	switch why {
	case noSuchImage:
		return Missing
	case accessDenied:
		return Denied
	}
	return Untold
}
