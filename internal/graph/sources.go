package graph

import (
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil"
	"github.com/moby/buildkit/util/urlutil"
)

// ImageSource is an image that a definition reads.
type ImageSource struct {
	// Ref is the reference with its digest, as BuildKit resolved it.
	Ref string
	// Platform is nil where the definition does not say.
	Platform *pb.Platform
}

const imageScheme = "docker-image://"

// Directory returns the vertex of a directory that is sent to the builder.
func Directory(dir string) Vertex {
	return Vertex{ID: identify("local", dir), Kind: Source, Name: dir, Results: []Result{{Description: directory}}}
}

// Sends tells whether a step of a frontend, by its name in the builder's progress,
// sends what a vertex of Directory or Dockerfile stands for: of a directory first
// only what a frontend looks for (frontend/dockerui in BuildKit).
func (v *Vertex) Sends(step string) bool {
	if len(v.Results) == 0 {
		return false
	}
	switch v.Results[0].Description {
	case directory:
		return step == "[internal] load .dockerignore"
	case sentDockerfile:
		return strings.HasPrefix(step, "[internal] load build definition from ")
	}
	return false
}

// Dockerfile returns the vertex of a Dockerfile that is sent.
func Dockerfile(path string) Vertex {
	return Vertex{ID: identify("dockerfile", path), Kind: Source, Name: path, Results: []Result{{Description: sentDockerfile}}}
}

func (b *graphBuilder) source(o operation, s *pb.SourceOp) *made {
	if ref, ok := strings.CutPrefix(s.Identifier, imageScheme); ok {
		return b.image(ref, o)
	}
	v := Vertex{Kind: Source, Name: o.name}
	scheme, name, _ := strings.Cut(s.Identifier, "://")
	if scheme == "local" {
		// Its attributes tell the session, which differs for every build, and what
		// of the directory is sent. What is copied of it, the copying step says.
		local := b.Local(name, s.Attrs[pb.AttrLocalSessionID])
		v = Directory(local)
		b.add(v)
		return &made{id: v.ID, told: true, local: local, tops: [][]ID{{v.ID}}}
	}
	v.ID = identify("source", s.Identifier, attributes(s.Attrs))
	for _, description := range fetched(scheme, s) {
		v.Results = append(v.Results, Result{Description: description})
	}
	b.add(v)
	return &made{id: v.ID, told: len(v.Results) > 0, tops: [][]ID{{v.ID}}}
}

// fetched returns the descriptions of the records that a source leaves which is
// fetched from elsewhere (in BuildKit's source/http and source/git).
func fetched(scheme string, s *pb.SourceOp) []string {
	switch scheme {
	case "http", "https":
		return []string{"http url " + urlutil.RedactCredentials(s.Identifier)}
	case "git":
		id, err := gitutil.ParseURL("https://" + strings.TrimPrefix(s.Identifier, "git://"))
		if err != nil {
			return nil
		}
		remote := id.Remote
		if full, err := gitutil.ParseURL(s.Attrs[pb.AttrFullRemoteURL]); err == nil {
			remote = full.Remote
		}
		remote = urlutil.RedactCredentials(remote)
		return []string{gitSnapshot + remote, "shared git repo for " + remote}
	}
	return nil
}

// image makes the vertices of an image's layers, and returns the topmost.
func (b *graphBuilder) image(ref string, o operation) *made {
	_, d, _ := strings.Cut(ref, "@")
	layers, ok := b.Layers(ImageSource{Ref: ref, Platform: o.op.Platform})
	if !ok {
		v := Vertex{Kind: Source, Name: o.name, ID: identify("image", ref, o.op.Platform.String())}
		b.add(v)
		b.graph.Images = append(b.graph.Images, Image{Ref: ref, Digest: d, Layers: []ID{v.ID}, Unknown: true})
		return &made{id: v.ID, tops: [][]ID{{v.ID}}}
	}
	layers.Ref = ref
	if d != "" {
		layers.Digest = d
	}
	image, vertices := layers.vertices()
	if p := o.op.Platform; p != nil {
		image.Platform = platforms.FormatAll(p.Spec())
	}
	for _, v := range vertices {
		b.add(v)
	}
	b.graph.Images = append(b.graph.Images, image)
	b.imageOf[o.digest] = image
	if len(image.Layers) == 0 {
		return &made{id: identify("empty", ref), tops: [][]ID{nil}}
	}
	top := image.Layers[len(image.Layers)-1]
	return &made{id: top, told: true, tops: [][]ID{{top}}}
}
