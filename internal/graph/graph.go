// Package graph knows what jobs' builds do: for each job a graph of vertices,
// the layers of its base images and the steps of its Dockerfile, and all jobs'
// graphs as one. It is pure: it reads BuildKit's definitions, and asks nobody.
package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// ID identifies a vertex. It is equal for equal vertices of different jobs. The
// zero ID is no vertex: an empty file system, such as FROM scratch.
type ID [16]byte

// String returns the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String wrote.
func ParseID(text string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return ID{}, fmt.Errorf("%q is not the identity of a vertex", text)
	}
	copy(id[:], b)
	return id, nil
}

// Kind says what a vertex is.
type Kind uint8

// The kinds of vertices.
const (
	// Layer is a layer of a base image, with all layers below it.
	Layer Kind = iota
	// Step is an operation of the build: RUN, COPY, WORKDIR, or the merge of a
	// COPY --link.
	Step
	// Source is what a build reads from elsewhere: a context, a git repository, a
	// file from the web, an image of which nobody knows the layers.
	Source
	// Any stands for whatever is built upon its only input. It is what is known
	// of a build whose steps are not.
	Any
)

// Vertex is one node of a job's graph.
type Vertex struct {
	ID   ID
	Kind Kind
	// Name is the step as the builder's progress and records name it, such as
	// "[2/5] COPY a b".
	Name string
	// Inputs are the vertices that it is made from, without repetition.
	Inputs []ID
	// Results are the records that it leaves in a builder's cache.
	Results []Result
	// Size is a layer's compressed size in bytes; 0 where it is not known.
	Size int64
	// Content is what a layer is by itself: equal for the same layer upon others. It is
	// zero where that is not known.
	Content ID
	// Merge tells of a step that it lays its inputs upon each other as they are.
	Merge bool
}

// Result is one record that a vertex leaves in a builder's cache.
type Result struct {
	// Description is the record's, normalized; empty where any will do.
	Description string
	// On are the vertices whose results the record has for its parents, in their
	// order: one for most, none for what stands on nothing, several for a merge.
	On []ID
}

// Image is a base image of a graph.
type Image struct {
	// Ref is the reference, with the digest that it was resolved to.
	Ref string
	// Digest is what records of its layers are named after; Manifest, where it is
	// not empty, is another such name: that of the platform's own manifest.
	Digest, Manifest string
	// Platform is the one that it is read for, such as linux/amd64; empty where
	// that is the builder's own.
	Platform string
	// Layers are its vertices, bottom first. It is empty for an image without
	// layers, and for one whose layers are not known.
	Layers []ID
	// Unknown tells that its layers are not known.
	Unknown bool
}

// Graph is what one job's build does. Vertices come after their inputs.
type Graph struct {
	Vertices []Vertex
	Images   []Image
	// Tops are the vertices whose results are the images that it makes, one for each
	// platform.
	Tops []ID
	// Hash changes exactly when what is made changes; empty where it was not asked for.
	Hash string
	// Demands are what its operations cannot do without and is not in the graph.
	Demands []Demand
	// Linked tells how its image is made where that leaves the base image as it is; nil
	// where it does not, and Unlinked says why.
	Linked   *Linked
	Unlinked string
	// Copies tells that the image only has files copied onto its base image, linked or not:
	// nothing is run there.
	Copies bool
	// details tell what made vertices; one for each platform.
	details []func(ID) (Detail, bool)
}

// Bases are the images that what it makes stands on: whose layers are below the tops by their
// first inputs, which are what the files of a step or a merge begin with. Of files that begin with
// nothing it may be the image that they are copied from.
func (g Graph) Bases() (bases []Image) {
	inputs, images := map[ID][]ID{}, map[ID]Image{}
	for _, v := range g.Vertices {
		inputs[v.ID] = v.Inputs
	}
	for _, i := range g.Images {
		if n := len(i.Layers); n > 0 {
			images[i.Layers[n-1]] = i
		}
	}
	for _, at := range g.Tops {
		for {
			image, is := images[at]
			if is {
				bases = append(bases, image)
			}
			if is || len(inputs[at]) == 0 {
				break
			}
			at = inputs[at][0]
		}
	}
	return bases
}

// LayerIDs returns the identities of an image's layers, bottom first: each
// stands for the layer and all below it. BuildKit shares a pulled record between
// images by exactly this (GetByBlob in its cache/manager.go). The digests may be
// those of the compressed blobs or of the unpacked layers; the two give
// different identities.
func LayerIDs(digests []string) []ID {
	ids := make([]ID, len(digests))
	var below ID
	for i, d := range digests {
		below = identify("layer", below.String(), d)
		ids[i] = below
	}
	return ids
}

// vertices returns the image and its layers.
func (i ImageLayers) vertices() (Image, []Vertex) {
	image := Image{Ref: i.Ref, Digest: i.Digest, Manifest: i.Manifest, Layers: LayerIDs(i.Digests)}
	vertices := make([]Vertex, len(i.Digests))
	for n, id := range image.Layers {
		vertices[n] = Vertex{ID: id, Kind: Layer, Name: i.Ref, Content: identify("content", i.Digests[n])}
		if n > 0 {
			vertices[n].Inputs = []ID{image.Layers[n-1]}
		}
		if len(i.Sizes) == len(i.Digests) {
			vertices[n].Size = i.Sizes[n]
		}
	}
	return image, vertices
}

// Upon returns the graph of a build of which only the base images are known:
// their layers, and whatever is built upon the topmost ones.
func Upon(images ...ImageLayers) Graph {
	var g Graph
	for _, i := range images {
		image, vertices := i.vertices()
		g.add(vertices...)
		g.addAnything(image)
	}
	return g
}

// UponLayers returns the graph of a build of which only its base image is known,
// by the identities of the layers.
func UponLayers(ref, digest string, layers []ID) Graph {
	var g Graph
	for i, id := range layers {
		v := Vertex{ID: id, Kind: Layer, Name: ref}
		if i > 0 {
			v.Inputs = layers[i-1 : i]
		}
		g.add(v)
	}
	g.addAnything(Image{Ref: ref, Digest: digest, Layers: layers})
	return g
}

// addAnything adds an image, and whatever is built upon it.
func (g *Graph) addAnything(image Image) {
	g.Images = append(g.Images, image)
	if n := len(image.Layers); n > 0 {
		g.add(AnythingUpon(image.Layers[n-1]))
	}
}

// AnythingUpon stands for whatever is built upon a vertex.
func AnythingUpon(id ID) Vertex {
	return Vertex{ID: identify("any", id.String()), Kind: Any, Inputs: []ID{id}}
}

// Lines returns the graph of a build of which no more is known than some lines of text:
// each stands upon all before it.
func Lines(lines ...string) (g Graph) {
	var below ID
	for _, line := range lines {
		v := Vertex{ID: identify("line", below.String(), line), Kind: Step, Name: line}
		if below != (ID{}) {
			v.Inputs = []ID{below}
		}
		g.add(v)
		below = v.ID
	}
	return g
}

// ImageLayers is an image with the digests of its layers, bottom first.
type ImageLayers struct {
	Ref, Digest string
	Manifest    string // as in Image
	Digests     []string
	Sizes       []int64 // compressed, in bytes; nil where they are not known
}

// Join adds the vertices and images of another graph, such as that of another
// platform of the same job.
func (g *Graph) Join(other Graph) {
	g.add(other.Vertices...)
	g.Images = append(g.Images, other.Images...)
	g.Tops = append(g.Tops, other.Tops...)
	g.Demands = append(g.Demands, other.Demands...)
	g.details = append(g.details, other.details...)
}

// add appends the vertices that are not there yet.
func (g *Graph) add(vertices ...Vertex) {
	for _, v := range vertices {
		if !g.has(v.ID) {
			g.Vertices = append(g.Vertices, v)
		}
	}
}

func (g *Graph) has(id ID) bool {
	for i := range g.Vertices {
		if g.Vertices[i].ID == id {
			return true
		}
	}
	return false
}

// Normalize returns a record's description without what says only where in its
// Dockerfile a step stands: "COPY a b" for "[stage-1 3/5] COPY a b". Equal steps
// of different jobs stand at different places. Nor does it say what a directory was
// called that was sent, each build calls its own "context", nor of what reference a
// repository was checked out, which may be the name of a branch that nobody gave.
func Normalize(description string) string {
	if name, is := strings.CutPrefix(description, "local source for "); is && description != sentDockerfile && name != "" {
		return directory
	}
	if strings.HasPrefix(description, gitSnapshot) {
		remote, _, _ := strings.Cut(description, "#")
		return remote
	}
	if !strings.HasPrefix(description, "[") {
		return description
	}
	if _, rest, ok := strings.Cut(description, "] "); ok {
		return rest
	}
	return description
}

// directory stands for the description of a directory that was sent to the builder.
const directory = "local source"

// sentDockerfile is the description of a Dockerfile that was sent to the builder.
const sentDockerfile = "local source for dockerfile"

const gitSnapshot = "git snapshot for "

func identify(parts ...string) ID {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	var id ID
	copy(id[:], h.Sum(nil))
	return id
}
