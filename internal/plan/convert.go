package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/urlutil"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// errSyntax says that a Dockerfile cannot be converted in this process.
var errSyntax = errors.New("its syntax is another frontend's")

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
	ui, err := dockerui.NewClient(&nobody{contexts: o.Inputs.NamedContexts, notes: notes})
	if err != nil {
		return nil, err
	}
	result, err := dockerfile2llb.Dockerfile2LLB(ctx, dockerfile, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildArgs: args, Target: o.Target},
		Client:         ui,
		MetaResolver:   notes,
		SourceMap:      llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", dockerfile),
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

// nobody is as much of a builder as the converter asks where nobody is to be asked: which
// contexts there are.
type nobody struct {
	gateway.Client // nil: nothing else is asked
	contexts       map[string]build.NamedContext
	notes          *imageNotes
}

// What builders can do: all. Without merge, COPY --link would convert to a plain COPY.
var (
	allCaps    = gwpb.Caps.CapSet(gwpb.Caps.All())
	allLLBCaps = pb.Caps.CapSet(pb.Caps.All())
)

// contextOption is how the options of named contexts begin (frontend/dockerui/namedcontext.go).
const contextOption = "context:"

// BuildOpts implements the gateway's Client. Of named contexts, images and addresses are
// told as they are; what else there is, Inputs has.
func (n *nobody) BuildOpts() gateway.BuildOpts {
	opts := map[string]string{}
	for name, c := range n.contexts {
		opts[contextOption+name] = c.Path
		if !urlutil.IsRemoteURL(c.Path) && !strings.HasPrefix(c.Path, imageContext) {
			opts[contextOption+name] = "input:" + contextOption + name
		}
	}
	return gateway.BuildOpts{Opts: opts, Caps: allCaps, LLBCaps: allLLBCaps}
}

// Inputs implements the gateway's Client.
func (n *nobody) Inputs(context.Context) (map[string]llb.State, error) {
	inputs := map[string]llb.State{"context": directory("context")}
	for name := range n.contexts {
		inputs[contextOption+name] = directory(contextOption + name)
	}
	return inputs, nil
}

// directory stands for one of a name. Else each conversion would have one of its own.
func directory(name string) llb.State { return llb.Local(name, llb.LocalUniqueID(name)) }

// ResolveImageConfig implements the gateway's Client.
func (n *nobody) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return n.notes.ResolveImageConfig(ctx, ref, opt)
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

// note notes that an image is read for a platform.
func (n *imageNotes) note(ref string, platform *ocispecs.Platform) {
	image := Image{Ref: ref}
	if platform != nil {
		image.Platform = platforms.FormatAll(*platform)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.images = append(n.images, image)
}
