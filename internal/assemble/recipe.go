package assemble

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/graph"
)

// Image is an image as a registry has it, but for its layers.
type Image struct {
	MediaType        string // of the manifest
	Manifest, Config []byte
}

// Descriptor is that of its manifest.
func (i Image) Descriptor() ocispecs.Descriptor {
	return ocispecs.Descriptor{MediaType: i.MediaType, Digest: digest.FromBytes(i.Manifest), Size: int64(len(i.Manifest))}
}

// ConfigDigest is that of its configuration.
func (i Image) ConfigDigest() digest.Digest { return digest.FromBytes(i.Config) }

// Recipe is how the images of a key are made, as the first of them shows that a builder
// has made.
type Recipe struct {
	// From is the reference of that image: its repository has the layers.
	From string
	// Layers are those that are laid upon the base, bottom first.
	Layers []ocispecs.Descriptor

	diffIDs                   []digest.Digest
	created                   []*time.Time // of the layers
	manifestType, configMedia string
}

// Learn reads a recipe from an image that a builder has made, on a base of some layers.
func Learn(from string, made Image, base []ocispecs.Descriptor) (*Recipe, error) {
	var manifest ocispecs.Manifest
	var config ocispecs.Image
	if err := errors.Join(json.Unmarshal(made.Manifest, &manifest), json.Unmarshal(made.Config, &config)); err != nil {
		return nil, err
	}
	if manifest.Config.Digest == "" {
		return nil, errors.New("the builder has not pushed a plain image, but an index")
	}
	n := len(base)
	for i, layer := range base {
		if i >= len(manifest.Layers) || manifest.Layers[i].Digest != layer.Digest {
			return nil, fmt.Errorf("the image that the builder has made does not have layer %d of its base image", i+1)
		}
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, errors.New("the configuration of the image that the builder has made tells of other layers than its manifest")
	}
	r := &Recipe{From: from, Layers: manifest.Layers[n:], diffIDs: config.RootFS.DiffIDs[n:],
		manifestType: made.MediaType, configMedia: manifest.Config.MediaType}
	var of []*time.Time
	for _, h := range config.History {
		if !h.EmptyLayer {
			of = append(of, h.Created)
		}
	}
	if len(of) != len(manifest.Layers) {
		return nil, errors.New("the history of the image that the builder has made tells of other layers than its manifest")
	}
	r.created = of[n:]
	return r, nil
}

// gzipped and zstd are the media types of layers, as docker and as OCI have them.
var (
	gzipped = [2]string{"application/vnd.docker.image.rootfs.diff.tar.gzip", ocispecs.MediaTypeImageLayerGzip}
	zstd    = [2]string{"application/vnd.docker.image.rootfs.diff.tar.zstd", ocispecs.MediaTypeImageLayerZstd}
)

// BaseOf returns the layers of a base image by its manifest, bottom first; an error where
// they are of a sort that only the builder knows what to make of.
func BaseOf(manifest []byte) ([]ocispecs.Descriptor, error) {
	var m ocispecs.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("the base image's manifest: %w", err)
	}
	for i, l := range m.Layers {
		known := slices.Contains(gzipped[:], l.MediaType) || slices.Contains(zstd[:], l.MediaType)
		if !known || len(l.Annotations) > 0 || len(l.URLs) > 0 || len(l.Data) > 0 {
			return nil, fmt.Errorf("layer %d of the base image is of a sort that the builder has to look at (%s)", i+1, l.MediaType)
		}
	}
	return m.Layers, nil
}

// asOwn gives the layers of a base image the media types that the image's manifest needs.
func (r *Recipe) asOwn(base []ocispecs.Descriptor) []ocispecs.Descriptor {
	own := 0
	if r.manifestType == ocispecs.MediaTypeImageManifest {
		own = 1
	}
	out := slices.Clone(base)
	for i := range out {
		for _, types := range [][2]string{gzipped, zstd} {
			if slices.Contains(types[:], out[i].MediaType) {
				out[i].MediaType = types[own]
			}
		}
	}
	return out
}

// Make makes the image of a job on a base of some layers.
func (r *Recipe) Make(base []ocispecs.Descriptor, linked *graph.Linked, buildArgs map[string]string) (Image, error) {
	epoch, err := epochOf(linked, buildArgs)
	if err != nil {
		return Image{}, err
	}
	config, err := r.config(len(base), linked.Frontend, epoch)
	if err != nil {
		return Image{}, err
	}
	// The text is that of commitDistributionManifest in BuildKit's exporter/containerimage.
	manifest, err := json.MarshalIndent(ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: r.manifestType,
		Config:    ocispecs.Descriptor{MediaType: r.configMedia, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    append(r.asOwn(base), r.Layers...),
	}, "", "  ")
	return Image{MediaType: r.manifestType, Manifest: manifest, Config: config}, err
}

// config completes the configuration that a frontend gave, as BuildKit does
// (patchImageConfig in its exporter/containerimage).
func (r *Recipe) config(baseLayers int, told graph.Frontend, epoch *time.Time) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	var config ocispecs.Image
	if err := errors.Join(json.Unmarshal(told.Config, &fields), json.Unmarshal(told.Config, &config)); err != nil {
		return nil, fmt.Errorf("the configuration that the frontend gave: %w", err)
	}
	if n := len(config.RootFS.DiffIDs); n != baseLayers {
		return nil, fmt.Errorf("the base image has %d layers in its configuration and %d in its manifest", n, baseLayers)
	}
	history, err := r.history(config.History, baseLayers)
	if err != nil {
		return nil, err
	}
	if epoch != nil {
		clamp(history, told.BaseConfig, *epoch)
	}
	made := map[string]any{"history": history,
		"rootfs": ocispecs.RootFS{Type: "layers", DiffIDs: append(slices.Clip(config.RootFS.DiffIDs), r.diffIDs...)}}
	if _, given := fields["created"]; !given {
		made["created"] = lastOf(history)
	} else if epoch != nil && config.Created != nil && config.Created.After(*epoch) {
		made["created"] = epoch
	}
	for name, value := range made {
		if fields[name], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

// history fills in when the layers were made, and what has made no layer: of the moment
// of the first new layer, or of the layer before (normalizeLayersAndHistory in BuildKit's
// exporter/containerimage).
func (r *Recipe) history(history []ocispecs.History, baseLayers int) ([]ocispecs.History, error) {
	layer := 0
	for i := range history {
		h := &history[i]
		if h.EmptyLayer {
			continue
		}
		if h.Created == nil && layer < baseLayers {
			return nil, errors.New("the base image does not tell when its layers were made, which the builder has moments of its own for")
		}
		if n := layer - baseLayers; n >= 0 && n < len(r.created) && h.Created == nil {
			h.Created = r.created[n]
		}
		layer++
	}
	if want := baseLayers + len(r.created); layer != want {
		return nil, fmt.Errorf("its history tells of %d layers, and it has %d", layer, want)
	}
	created := firstNew(history)
	unknown := false
	for i := range history {
		switch {
		case history[i].Created == nil:
			unknown = true
			history[i].Created = created
		case unknown:
			created = history[i].Created
		}
	}
	return history, nil
}

// firstNew is the first time after one that is not told; else the last.
func firstNew(history []ocispecs.History) (created *time.Time) {
	unknown := false
	for _, h := range history {
		switch {
		case h.Created == nil:
			unknown = true
		case unknown:
			return h.Created
		default:
			created = h.Created
		}
	}
	return created
}

func lastOf(history []ocispecs.History) (created *time.Time) {
	for _, h := range history {
		if h.Created != nil {
			created = h.Created
		}
	}
	return created
}
