package nodetest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

const registry = "registry.example/"

// made is an image that a job has made.
type made struct {
	layers []string
	step   graph.ID
}

// Job is a job on a base image. Of its Dockerfile nothing is told.
func Job(name, base string) *plan.Job {
	return &plan.Job{Name: name, Base: base, Source: &plan.Source{}, Tags: []string{registry + name + ":1"}}
}

// Linked is a job on another's result.
func Linked(name string, to *plan.Job) *plan.Job {
	job := Job(name, "")
	job.Links = map[string]*plan.Job{to.Name: to}
	job.Options.Inputs.NamedContexts = map[string]build.NamedContext{"base": {Path: "target:" + to.Name}}
	return job
}

// Pushed has jobs' images go to a registry.
func Pushed(jobs ...*plan.Job) {
	for _, job := range jobs {
		job.Options.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"push": "true"}}}
	}
}

// Publish has a job's image be there for others though nobody has built it.
func (b *Builder) Publish(job *plan.Job) {
	b.begin(b.Daemons[0], "")
	b.end(b.Daemons[0])
	g, err := b.Graph(job)
	if err != nil {
		panic(err)
	}
	b.push(job, g)
}

// DigestOf is the digest of a job's image.
func DigestOf(job *plan.Job) string { return digest.FromString(job.Tags[0]).String() }

// linkOf is the job with which one is linked; nil for none.
func linkOf(job *plan.Job) *plan.Job {
	for _, linked := range job.Links {
		return linked
	}
	return nil
}

// baseOf is the base image of a job that is linked with none.
func baseOf(job *plan.Job) string {
	for _, c := range job.Options.Inputs.NamedContexts {
		tag, _, _ := strings.Cut(strings.TrimPrefix(c.Path, "docker-image://"), "@")
		return tag
	}
	return job.Base
}

// Graph is what a job's build does. There is none while its base image is not made.
func (b *Builder) Graph(job *plan.Job) (graph.Graph, error) {
	if linked := linkOf(job); linked != nil {
		g, err := b.Graph(linked)
		if err != nil {
			return g, err
		}
		return withStep(g, job, g.Tops[0]), nil
	}
	ref := baseOf(job)
	layers := graph.ImageLayers{Ref: registry + ref + ":1", Digest: digest.FromString(ref).String(), Digests: strings.Split(ref, "/")}
	if strings.HasPrefix(ref, registry) {
		b.mu.Lock()
		base, is := b.images[ref]
		b.mu.Unlock()
		if !is {
			return graph.Graph{}, errors.New(ref + ": not found")
		}
		layers = graph.ImageLayers{Ref: ref, Digest: digest.FromString(ref).String(), Digests: base.layers}
	}
	for range layers.Digests {
		layers.Sizes = append(layers.Sizes, b.Layer/3)
	}
	g := graph.Upon(layers)
	g.Vertices = slices.DeleteFunc(g.Vertices, func(v graph.Vertex) bool { return v.Kind == graph.Any })
	return withStep(g, job, g.Images[0].Layers[len(layers.Digests)-1]), nil
}

// withStep adds the step of a job.
func withStep(g graph.Graph, job *plan.Job, top graph.ID) graph.Graph {
	step := identity(job.Name, top)
	g.Vertices = append(g.Vertices, graph.Vertex{ID: step, Kind: graph.Step, Name: "[2/2] RUN " + job.Name, Inputs: []graph.ID{top},
		Results: []graph.Result{{Description: "mount / from exec " + job.Name, On: []graph.ID{top}}}})
	g.Tops = []graph.ID{step}
	return g
}

// layersOf are the layers that a job's image is made on. The caller holds mu.
func (b *Builder) layersOf(job *plan.Job) []string {
	if linked := linkOf(job); linked != nil {
		return append(slices.Clone(b.layersOf(linked)), linked.Name)
	}
	ref := baseOf(job)
	if base, is := b.images[ref]; is {
		return base.layers
	}
	return strings.Split(ref, "/")
}

// push has a job's image be there for others.
func (b *Builder) push(job *plan.Job, g graph.Graph) {
	b.mu.Lock()
	defer b.mu.Unlock()
	layers := append(slices.Clone(b.layersOf(job)), job.Name)
	b.images[job.Tags[0]] = made{layers, g.Tops[0]}
	ids := graph.LayerIDs(layers)
	steps := g.Vertices[slices.IndexFunc(g.Vertices, func(v graph.Vertex) bool { return v.Kind == graph.Step }):]
	for i, step := range steps {
		b.stands[ids[len(ids)-len(steps)+i]] = step.ID
	}
}

func identity(name string, on graph.ID) graph.ID {
	sum := sha256.Sum256([]byte(name + on.String()))
	id, _ := graph.ParseID(hex.EncodeToString(sum[:16]))
	return id
}
