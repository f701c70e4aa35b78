package nodetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// Builder builds jobs on daemons in memory: their base image, whose layers are the parts
// of its path such as "os/env/one", and a step upon it. Its methods may be called
// concurrently; its fields are set before.
type Builder struct {
	Daemons []*Daemon
	// Layer and Own are the bytes of each layer and step.
	Layer, Own int64
	// Takes is how long a layer and a step take each.
	Takes time.Duration
	// Fail, when set, is asked at the end of an attempt at a job, the first being 1.
	Fail func(job string, attempt int) error

	mu       sync.Mutex // guards what follows
	attempts map[string]int
	running  map[string]int // by daemon
	most     map[string]int // that ran at once, by daemon
	built    map[string]string
}

// Job is a job on a base image.
func Job(name, base string) *plan.Job {
	return &plan.Job{Name: name, Base: base, Tags: []string{"registry.example/" + name + ":1"}}
}

// Graph is what a job's build does.
func (b *Builder) Graph(job *plan.Job) graph.Graph {
	words := strings.Split(job.Base, "/")
	layers := graph.ImageLayers{Ref: "registry.example/" + job.Base + ":1", Digest: digest.FromString(job.Base).String()}
	for _, w := range words {
		layers.Digests = append(layers.Digests, w)
		layers.Sizes = append(layers.Sizes, b.Layer/3)
	}
	g := graph.Upon(layers)
	g.Vertices = slices.DeleteFunc(g.Vertices, func(v graph.Vertex) bool { return v.Kind == graph.Any })
	top := g.Images[0].Layers[len(words)-1]
	g.Vertices = append(g.Vertices, graph.Vertex{ID: identity(job.Name, top), Kind: graph.Step, Name: "[2/2] RUN " + job.Name, Inputs: []graph.ID{top},
		Results: []graph.Result{{Description: "mount / from exec " + job.Name, On: []graph.ID{top}}}})
	return g
}

func identity(name string, on graph.ID) graph.ID {
	sum := sha256.Sum256([]byte(name + on.String()))
	id, _ := graph.ParseID(hex.EncodeToString(sum[:16]))
	return id
}

// Graphs implements run.Graphs.
func (b *Builder) Graphs(_ context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) error {
	for _, job := range jobs {
		found(job, b.Graph(job), nil)
	}
	return nil
}

// DropPushed implements run.Builder.
func (b *Builder) DropPushed(context.Context, *plan.Job) error { return nil }

// Build implements run.Builder, on the first of the daemons that it is given.
func (b *Builder) Build(ctx context.Context, on []string, job *plan.Job, _ io.Writer, watch builder.Watch) (builder.Result, error) {
	d := b.Daemons[slices.IndexFunc(b.Daemons, func(d *Daemon) bool { return d.name == on[0] })]
	attempt := b.begin(d, job.Name)
	defer b.end(d)
	result := builder.Result{Node: strings.Join(on, " ")}
	if err := d.answer(ctx); err != nil {
		return result, lost(ctx, err)
	}
	g := b.Graph(job)
	watch.Graph(g)
	d.hold(g, +1)
	defer d.hold(g, -1)
	for i, v := range g.Vertices {
		size := b.Layer
		if v.Kind == graph.Step {
			size = b.Own
		}
		if err := d.make(ctx, v, g.Images[0], size, b.Takes, watch); err != nil {
			return result, err
		}
		watch.Step(fmt.Sprintf("[%d/%d] %s", i+1, len(g.Vertices), v.Name))
		watch.Alive()
	}
	if b.Fail != nil {
		if err := b.Fail(job.Name, attempt); err != nil {
			return result, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.built[job.Name] = d.name
	result.Digest = digest.FromString(job.Name).String()
	return result, nil
}

// lost is how BuildKit's client says that a daemon does not answer.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("rpc error: code = Unavailable desc = error reading from server: %w", err)
}

func (b *Builder) begin(d *Daemon, job string) (attempt int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.attempts == nil {
		b.attempts, b.running, b.most, b.built = map[string]int{}, map[string]int{}, map[string]int{}, map[string]string{}
	}
	b.attempts[job]++
	b.running[d.name]++
	b.most[d.name] = max(b.most[d.name], b.running[d.name])
	return b.attempts[job]
}

func (b *Builder) end(d *Daemon) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[d.name]--
}

// Most is how many attempts ran on a daemon at once.
func (b *Builder) Most(daemon string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.most[daemon]
}

// Attempts is how many were made at a job.
func (b *Builder) Attempts(job string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.attempts[job]
}

// BuiltOn counts the jobs that were built on a daemon.
func (b *Builder) BuiltOn(daemon string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.built {
		if d == daemon {
			n++
		}
	}
	return n
}

// make makes the record of a vertex that it does not have, in a while, and holds it.
func (d *Daemon) make(ctx context.Context, v graph.Vertex, image graph.Image, size int64, takes time.Duration, watch builder.Watch) error {
	id := d.name + "-" + v.ID.String()
	d.mu.Lock()
	i := slices.IndexFunc(d.records, func(r cache.Record) bool { return r.ID == id })
	d.mu.Unlock()
	if i >= 0 {
		return nil
	}
	began := time.Now()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := d.answer(ctx); err != nil {
		return lost(ctx, err)
	}
	record := cache.Record{ID: id, Kind: cache.KindRegular, Size: size, CreatedAt: time.Now()}
	if v.Kind == graph.Layer {
		record.Description = "pulled from " + image.Ref + "@" + image.Digest
	} else {
		record.Description = v.Results[0].Description
		watch.Made(cache.Making{Vertex: v.ID, Began: began, Done: time.Now()})
	}
	for _, in := range v.Inputs {
		record.Parents = append(record.Parents, d.name+"-"+in.String())
	}
	disk, _ := d.DiskOf("")
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.disk.Total > 0 && disk.Free < size {
		return errors.New("write /x: no space left on device")
	}
	if slices.ContainsFunc(d.records, func(r cache.Record) bool { return r.ID == id }) {
		return nil // another build was faster
	}
	if v.Kind == graph.Layer {
		d.pulled[v.ID]++
	}
	d.records = append(d.records, record)
	return nil
}

// hold notes that a build uses the records of its vertices, or no longer.
func (d *Daemon) hold(g graph.Graph, by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range g.Vertices {
		d.held[d.name+"-"+v.ID.String()] += by
	}
}
