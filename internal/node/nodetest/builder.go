package nodetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// Builder builds jobs on daemons in memory: their base image, whose layers are the parts
// of its path such as "os/env/one", and a step upon it. A base image that another job has
// made has the layers of that one's and one more; where its step is, that is not pulled. A job that is
// linked with another has that one's steps before its own. Its methods may be called
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
	images   map[string]made       // that jobs have made, by their tags
	stands   map[graph.ID]graph.ID // for the layers of these, the steps
}

// recordOf is the id of the record on a daemon that a vertex has, or would get: what a
// step has made there stands for a layer.
func (b *Builder) recordOf(d *Daemon, v graph.ID) string {
	b.mu.Lock()
	step, made := b.stands[v]
	b.mu.Unlock()
	if id := d.name + "-" + step.String(); made && d.has(id) {
		return id
	}
	return d.name + "-" + v.String()
}

// Graphs implements run.Graphs: it asks the first daemon that answers, else the last.
func (b *Builder) Graphs(ctx context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) error {
	asked, ctx, stop := builder.AskOne(ctx, b.Daemons)
	defer stop()
	for _, job := range jobs {
		if err := asked.Node.called(ctx, Asking); err != nil {
			return cmp.Or(asked.Silent(ctx), err)
		}
		g, err := b.Graph(job)
		found(job, g, err)
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
	g, err := b.Graph(job)
	if err != nil {
		return result, err
	}
	watch.Graph(g)
	ids := map[graph.ID]string{}
	for _, v := range g.Vertices {
		ids[v.ID] = b.recordOf(d, v.ID)
	}
	d.hold(ids, +1)
	defer d.letGo(ids)
	for i, v := range g.Vertices {
		if err := d.make(ctx, v, ids, g.Images[0], b.size(v), b.Takes, watch); err != nil {
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
	b.push(job, g)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.built[job.Name] = d.name
	result.Digest = DigestOf(job)
	return result, nil
}

// size is what a vertex takes: a step, and the layer that it has made, less than others.
func (b *Builder) size(v graph.Vertex) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, made := b.stands[v.ID]; made || v.Kind == graph.Step {
		return b.Own
	}
	return b.Layer
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
		b.images, b.stands = map[string]made{}, map[graph.ID]graph.ID{}
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

// Made counts how often the step of a job was made.
func (b *Builder) Made(job string) (n int) {
	for _, d := range b.Daemons {
		d.mu.Lock()
		n += d.made["mount / from exec "+job]
		d.mu.Unlock()
	}
	return n
}

// make makes the record of a vertex that it does not have, in a while, and holds it.
func (d *Daemon) make(ctx context.Context, v graph.Vertex, ids map[graph.ID]string, image graph.Image, size int64, takes time.Duration, watch builder.Watch) error {
	id := ids[v.ID]
	if d.has(id) {
		return nil
	}
	if d.isLocked(id) {
		<-ctx.Done()
		return context.Cause(ctx)
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
		record.Parents = append(record.Parents, ids[in])
	}
	disk, _ := d.DiskOf("")
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.disk.Total > 0 && disk.Free < size {
		if d.locked != nil {
			d.locked[id] = true
		}
		return errors.New("write /x: no space left on device")
	}
	if slices.ContainsFunc(d.records, func(r cache.Record) bool { return r.ID == id }) {
		return nil // another build was faster
	}
	if v.Kind == graph.Layer {
		d.pulled[v.ID]++
	} else {
		d.made[record.Description]++
	}
	d.records = append(d.records, record)
	d.peak = max(d.peak, cache.SumOf(d.records).Bytes)
	return nil
}

// hold notes that a build uses the records of its vertices, or no longer.
func (d *Daemon) hold(ids map[graph.ID]string, by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		d.held[id] += by
	}
}

// letGo ends the holding of the records of a build that has ended.
func (d *Daemon) letGo(ids map[graph.ID]string) {
	if d.Lingers > 0 {
		time.AfterFunc(d.Lingers, func() { d.hold(ids, -1) })
		return
	}
	d.hold(ids, -1)
}

// has tells whether it has a record.
func (d *Daemon) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.records, func(r cache.Record) bool { return r.ID == id })
}
