package lab

import (
	"context"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is one base image by itself, beside the sets that a Shape makes. Equal images are equal
// digest for digest.
type Image struct {
	// Name is the image's public reference, as a FROM line has it: "python:3.13",
	// "ghcr.io/example/tool:1". In the lab's registry it stands below the same path, without the
	// public registry: HOST/library/python:3.13.
	Name string
	// From is the reference, in the lab's registry, of the image that this one stands on, whose
	// configuration it takes over. Empty: it has an operating system of its own, the same layer
	// as a Shape's of the same OSBytes and Seed.
	From string
	// Platform is "OS/ARCHITECTURE"; empty stands for this machine's. Another platform's image has
	// other layers, but the programs in it are this machine's, so that RUN works without emulation.
	Platform string

	// OSBytes come on top of busybox (2 MB) in the operating system; nothing with From.
	OSBytes int64
	// LayerBytes are the sizes of the layers above, of random content: /layers/N.data, and what
	// image it is in /layers/N.txt, N being the layer's place from the bottom.
	LayerBytes []int64
	// Files are the contents of small files by their absolute paths, executable, in one more layer.
	Files map[string]string

	// OnBuild are the triggers that a build FROM the image runs first ("RUN echo hello").
	OnBuild []string

	// Seed decides the content: with another one, the same name is a tag that has moved.
	Seed uint64
}

// Index is one reference that stands for an image on each of several platforms.
type Index struct {
	Ref    string // HOST/REPOSITORY:TAG
	Digest string // of the index
	Images []Base // in the order in which they were given, each by its digest
}

// MakeImage makes an image and pushes it to a registry.
func MakeImage(ctx context.Context, host string, image Image) (Base, error) {
	m, tag, err := makerAt(host, image.Name)
	if err != nil {
		return Base{}, err
	}
	made, err := m.image(ctx, image)
	if err != nil {
		return Base{}, fmt.Errorf("make %s: %w", image.Name, err)
	}
	return m.pushImage(ctx, Base{Name: image.Name}, tag, made)
}

// MakeIndex makes images for several platforms, or for one, and pushes them to a registry under
// one public reference. Their own names are not looked at.
func MakeIndex(ctx context.Context, host, public string, images ...Image) (Index, error) {
	m, tag, err := makerAt(host, public)
	if err != nil {
		return Index{}, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	out := Index{Ref: tag.String()}
	for _, image := range images {
		image.Name = public
		made, base, err := m.member(ctx, tag.Context(), image)
		if err != nil {
			return Index{}, fmt.Errorf("make %s for %s: %w", public, image.Platform, err)
		}
		index = mutate.AppendManifests(index, made)
		out.Images = append(out.Images, base)
	}
	if err := m.pusher.Push(ctx, tag, index); err != nil {
		return Index{}, fmt.Errorf("push %s: %w", tag, err)
	}
	digest, err := index.Digest()
	out.Digest = digest.String()
	return out, err
}

// member makes and pushes one image of an index.
func (m *maker) member(ctx context.Context, repo name.Repository, image Image) (mutate.IndexAddendum, Base, error) {
	made, err := m.image(ctx, image)
	if err != nil {
		return mutate.IndexAddendum{}, Base{}, err
	}
	digest, err := made.Digest()
	if err != nil {
		return mutate.IndexAddendum{}, Base{}, err
	}
	platform, err := image.platform()
	if err != nil {
		return mutate.IndexAddendum{}, Base{}, err
	}
	base, err := m.pushImage(ctx, Base{Name: image.Name}, repo.Digest(digest.String()), made)
	return mutate.IndexAddendum{Add: made, Descriptor: v1.Descriptor{Platform: &platform}}, base, err
}

// makerAt is a maker of single images, and where in its registry the one with a public reference
// stands: below the same path, "library/python" for docker.io's "python".
func makerAt(host, public string) (*maker, name.Tag, error) {
	parsed, err := name.NewTag(public)
	if err != nil {
		return nil, name.Tag{}, fmt.Errorf("image name: %w", err)
	}
	m, err := newMaker(host, Shape{})
	if err != nil {
		return nil, name.Tag{}, err
	}
	return m, m.registry.Repo(parsed.RepositoryStr()).Tag(parsed.TagStr()), nil
}

// image makes an image without pushing it.
func (m *maker) image(ctx context.Context, image Image) (v1.Image, error) {
	below, err := image.below(ctx)
	if err != nil {
		return nil, err
	}
	layers, err := image.layers(below)
	if err != nil {
		return nil, err
	}
	made, err := mutate.AppendLayers(below, layers...)
	if err != nil {
		return nil, err
	}
	config, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Config.OnBuild = image.OnBuild
	return mutate.Config(made, config.Config)
}

// below is what the image's own layers stand on.
func (i *Image) below(ctx context.Context) (v1.Image, error) {
	platform, err := i.platform()
	if err != nil {
		return nil, err
	}
	if i.From != "" {
		return PullImage(ctx, i.From, remote.WithPlatform(platform))
	}
	entries, err := osEntries(i.OSBytes)
	if err != nil {
		return nil, err
	}
	if !platform.Equals(machine()) {
		entries = append(entries, entry{path: "etc/platform", text: []byte(platform.String() + "\n")})
	}
	l, err := newLayer(entries, seedOf(i.Seed, "os"), false)
	if err != nil {
		return nil, err
	}
	return imageOf(platform, shellConfig(), l)
}

// layers are the image's own layers, on top of others.
func (i *Image) layers(below v1.Image) ([]v1.Layer, error) {
	manifest, err := below.Manifest()
	if err != nil {
		return nil, err
	}
	var layers []v1.Layer
	for _, size := range i.LayerBytes {
		place := len(manifest.Layers) + len(layers)
		which := fmt.Sprintf("%s %s, seed %d, layer %d\n", i.Name, i.Platform, i.Seed, place)
		l, err := newLayer([]entry{
			{path: "layers/"},
			{path: fmt.Sprintf("layers/%d.txt", place), text: []byte(which)},
			{path: fmt.Sprintf("layers/%d.data", place), size: size},
		}, seedOf(i.Seed, which), false)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	if len(i.Files) == 0 {
		return layers, nil
	}
	l, err := newLayer(fileEntries(i.Files), i.Seed, false)
	return append(layers, l), err
}

// fileEntries are small files with the directories above them.
func fileEntries(files map[string]string) []entry {
	var entries []entry
	made := map[string]bool{"/": true}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		var dirs []string
		for dir := path.Dir(file); !made[dir]; dir = path.Dir(dir) {
			made[dir] = true
			dirs = append(dirs, dir)
		}
		for _, dir := range slices.Backward(dirs) {
			entries = append(entries, entry{path: strings.TrimPrefix(dir, "/") + "/"})
		}
		entries = append(entries, entry{path: strings.TrimPrefix(file, "/"), text: []byte(files[file]), mode: 0o755})
	}
	return entries
}

func (i *Image) platform() (v1.Platform, error) {
	if i.Platform == "" {
		return machine(), nil
	}
	platform, err := v1.ParsePlatform(i.Platform)
	if err != nil {
		return v1.Platform{}, fmt.Errorf("platform %q: %w", i.Platform, err)
	}
	return *platform, nil
}

// machine is the platform of this machine.
func machine() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }
