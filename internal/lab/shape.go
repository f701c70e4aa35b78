package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

const (
	// busybox is Debian's busybox-static: a shell that needs nothing else in the image.
	busybox = "/bin/busybox"

	pushers = 8

	basesRepo   = "swebench"
	builderRepo = "agent/builder"

	// defaultPath is the environment of an image that sets none, as Docker has it.
	defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Shape says what a set of base images is made of, the way SWE-bench's are: one operating-system
// layer under all, environment layers per project, one own layer per instance. Equal shapes give
// equal images, digest for digest. Sizes are bytes of file content; layers are a little larger.
type Shape struct {
	// Instances name the images. What stands before the last "-" is the project.
	Instances []string

	// OSBytes come on top of busybox (2 MB), which makes RUN work.
	OSBytes int64
	// EnvBytes are shared by the instances of a project, over EnvLayers layers (0 stands for 1).
	EnvBytes  int64
	EnvLayers int
	// OwnBytes are each instance's own, over OwnFiles files (0 stands for 1).
	OwnBytes int64
	OwnFiles int

	// Compressible makes content that compresses to about half, at the cost of compressing it;
	// otherwise layers are as large in the registry as unpacked.
	Compressible bool
	// Seed decides the content.
	Seed uint64
}

// Layer is one layer of an image in a registry.
type Layer struct {
	Digest string // of the compressed layer, as the registry has it
	DiffID string // of the layer unpacked
	Size   int64  // compressed, in bytes
}

// Base is one image in a registry.
type Base struct {
	Name    string // the instance, or the public reference that an Image was given
	Project string
	Ref     string // HOST/swebench/NAME:latest
	Digest  string // of the manifest
	Layers  []Layer
}

// At is the image's reference at an upstream ("docker.io") that has the image's registry as its
// mirror or its origin.
func (b Base) At(upstream string) string {
	_, repository, _ := strings.Cut(b.Ref, "/")
	return upstream + "/" + repository
}

// MakeBases makes the images of a shape and pushes them to a registry, each layer uploaded once
// and mounted into the other repositories. In an image, /os-release names the operating system,
// /env/PROJECT the project, and /testbed/INSTANCE.txt the instance; /bin/sh is there.
// The images come back in the order of the instances.
func MakeBases(ctx context.Context, host string, shape Shape) ([]Base, error) {
	m, err := newMaker(host, shape)
	if err != nil {
		return nil, err
	}
	if err := m.makeShared(ctx); err != nil {
		return nil, err
	}
	bases := make([]Base, len(shape.Instances))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushers)
	for i, instance := range shape.Instances {
		group.Go(func() error {
			base, err := m.makeBase(ctx, instance)
			bases[i] = base
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return bases, nil
}

// MakeBuilder pushes the image that agents are copied from, HOST/agent/builder:1, with size bytes
// below /agent.
func MakeBuilder(ctx context.Context, host string, size int64, seed uint64) (Base, error) {
	m, err := newMaker(host, Shape{Seed: seed})
	if err != nil {
		return Base{}, err
	}
	l, err := m.layer("builder", []entry{
		{path: "agent/"},
		{path: "agent/version", text: []byte("1\n")},
		{path: "agent/bin/"},
		{path: "agent/bin/agent", text: []byte("#!/bin/sh\necho agent\n"), mode: 0o755},
		{path: "agent/data", size: size},
	})
	if err != nil {
		return Base{}, err
	}
	return m.push(ctx, Base{Name: "builder"}, builderRepo, "1", l)
}

// maker makes the images of one shape.
type maker struct {
	Shape
	registry name.Registry
	pusher   *remote.Pusher

	os   v1.Layer
	envs map[string][]v1.Layer // by project
}

func newMaker(host string, shape Shape) (*maker, error) {
	registry, err := name.NewRegistry(host, name.Insecure)
	if err != nil {
		return nil, err
	}
	pusher, err := remote.NewPusher(remote.WithJobs(pushers))
	if err != nil {
		return nil, err
	}
	return &maker{Shape: shape, registry: registry, pusher: pusher, envs: map[string][]v1.Layer{}}, nil
}

// makeShared makes and uploads the layers that several images have, once each.
func (m *maker) makeShared(ctx context.Context) error {
	entries, err := osEntries(m.OSBytes)
	if err != nil {
		return err
	}
	if m.os, err = m.share(ctx, "os", entries); err != nil {
		return err
	}
	for _, instance := range m.Instances {
		project := Project(instance)
		if _, ok := m.envs[project]; ok {
			continue
		}
		if m.envs[project], err = m.shareEnv(ctx, project); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) shareEnv(ctx context.Context, project string) ([]v1.Layer, error) {
	var layers []v1.Layer
	count := max(1, m.EnvLayers)
	for i := range count {
		dir := "env/"
		entries := []entry{
			{path: dir},
			{path: fmt.Sprintf("%s%s.%d.data", dir, project, i), size: part(m.EnvBytes, count, i)},
		}
		if i == 0 {
			entries = append(entries, entry{path: dir + project, text: []byte(project + "\n")})
		}
		l, err := m.share(ctx, fmt.Sprintf("env/%s/%d", project, i), entries)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// share uploads a layer to a repository of its own, from which the registry mounts it.
func (m *maker) share(ctx context.Context, what string, entries []entry) (v1.Layer, error) {
	l, err := m.layer(what, entries)
	if err != nil {
		return nil, err
	}
	repo := m.registry.Repo(basesRepo, "layers")
	if err := m.pusher.Upload(ctx, repo, l); err != nil {
		return nil, fmt.Errorf("upload layer %s: %w", what, err)
	}
	return &remote.MountableLayer{Layer: l, Reference: repo.Tag("latest")}, nil
}

func (m *maker) makeBase(ctx context.Context, instance string) (Base, error) {
	entries := []entry{
		{path: "testbed/"},
		{path: "testbed/" + instance + ".txt", text: []byte(instance + "\n")},
	}
	count := max(1, m.OwnFiles)
	for i := range count {
		entries = append(entries, entry{
			path: fmt.Sprintf("testbed/own.%d.data", i),
			size: part(m.OwnBytes, count, i),
		})
	}
	own, err := m.layer("own/"+instance, entries)
	if err != nil {
		return Base{}, err
	}
	project := Project(instance)
	layers := append([]v1.Layer{m.os}, m.envs[project]...)
	base := Base{Name: instance, Project: project}
	return m.push(ctx, base, path.Join(basesRepo, instance), "latest", append(layers, own)...)
}

func (m *maker) layer(what string, entries []entry) (*layer, error) {
	return newLayer(entries, seedOf(m.Seed, what), m.Compressible)
}

// push pushes an image of the layers and completes what is known of it.
func (m *maker) push(ctx context.Context, base Base, repo, tag string, layers ...v1.Layer) (Base, error) {
	image, err := imageOf(machine(), shellConfig(), layers...)
	if err != nil {
		return base, err
	}
	return m.pushImage(ctx, base, m.registry.Repo(repo).Tag(tag), image)
}

func (m *maker) pushImage(ctx context.Context, base Base, ref name.Reference, image v1.Image) (Base, error) {
	if err := m.pusher.Push(ctx, ref, image); err != nil {
		return base, fmt.Errorf("push %s: %w", ref, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return base, err
	}
	base.Ref, base.Digest = ref.String(), digest.String()
	base.Layers, err = layersOf(image)
	return base, err
}

// shellConfig is the configuration of an image that one can work in.
func shellConfig() v1.Config {
	return v1.Config{Env: []string{defaultPath}, Cmd: []string{"/bin/sh"}, WorkingDir: "/"}
}

func imageOf(platform v1.Platform, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{
		Architecture: platform.Architecture,
		OS:           platform.OS,
		Variant:      platform.Variant,
		Config:       config,
		RootFS:       v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layers...)
}

func layersOf(image v1.Image) ([]Layer, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	var out []Layer
	for i, l := range manifest.Layers {
		out = append(out, Layer{
			Digest: l.Digest.String(),
			DiffID: config.RootFS.DiffIDs[i].String(),
			Size:   l.Size,
		})
	}
	return out, nil
}

// osEntries are the smallest operating system that RUN works in, and size bytes more.
func osEntries(size int64) ([]entry, error) {
	binary, err := os.ReadFile(busybox)
	if err != nil {
		return nil, &MissingError{busybox, "not found: run `make setup`"}
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", busybox, err)
	}
	entries := []entry{
		{path: "os-release", text: []byte("NAME=lab\n")},
		{path: "etc/"},
		{path: "etc/passwd", text: []byte("root:x:0:0:root:/root:/bin/sh\n")},
		{path: "root/"},
		{path: "tmp/", mode: 0o1777},
		{path: "usr/"},
		{path: "usr/lib/"},
		{path: "usr/lib/os.data", size: size},
		{path: "var/"},
		{path: "bin/"},
		{path: "bin/busybox", text: binary, mode: 0o755},
	}
	for applet := range strings.FieldsSeq(string(applets)) {
		if applet != "busybox" {
			entries = append(entries, entry{path: "bin/" + applet, link: "busybox"})
		}
	}
	return entries, nil
}

// part is how much of a total the i-th of count parts takes.
func part(total int64, count, i int) int64 {
	n := int64(count)
	share := total / n
	if int64(i) < total%n {
		share++
	}
	return share
}
