package builder

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/buildx/build"
	buildxbuilder "github.com/docker/buildx/builder"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// Result is what a build left behind.
type Result struct {
	// Digest is that of the image's manifest or index; empty when the build
	// made no image.
	Digest string
	// Descriptor is that of the same, and ConfigDigest that of the image's
	// configuration; nil and empty where the build did not tell.
	Descriptor   *ocispecs.Descriptor
	ConfigDigest string
	// Node is the name of the node that built it; several names with a blank between
	// them where each built for some of the platforms.
	Node string
	// Assembled says that the image was put together in its registry, without a build.
	Assembled bool
	ledger.Timings
	Phases ledger.Phases // of the attempt
}

// The name of the target of each build that is the job's own, as in docker buildx build.
const target = "default"

// Watch says how an attempt is made and who is told of it. Its functions, any of
// which may be nil, are called while the build waits.
type Watch struct {
	NoCache bool              // the attempt must not use the cache
	Step    func(name string) // a step begins
	Alive   func()            // BuildKit reported any progress
	// Graph is told what the attempt will do, before any step of it is done but those of
	// jobs that it is built on in the same build. Where several nodes build for different
	// platforms it is told of each.
	Graph func(graph.Graph)
	// Made is told of each step that is made, and again once it was made or tried in
	// vain, unless it was found in the cache. Its times are by the clock that those of
	// records are by.
	Made func(cache.Making)
	// Pulled is told of each layer that came from a registry while the attempt waited for it:
	// where several did, each of them is told, of the same moment.
	Pulled func(Pulled)
	// Found is told of each step that was found in the cache.
	Found func(graph.ID)
}

// whole returns the watch with functions in place of those that nobody gave.
func (w Watch) whole() Watch {
	if w.Step == nil {
		w.Step = func(string) {}
	}
	if w.Alive == nil {
		w.Alive = func() {}
	}
	if w.Graph == nil {
		w.Graph = func(graph.Graph) {}
	}
	if w.Made == nil {
		w.Made = func(cache.Making) {}
	}
	if w.Pulled == nil {
		w.Pulled = func(Pulled) {}
	}
	if w.Found == nil {
		w.Found = func(graph.ID) {}
	}
	return w
}

// atMost bounds the timings by what the attempt took, by the monotonic clock:
// the daemon tells times of day, and its clock may have been set meanwhile.
func (r *Result) atMost(took time.Duration) {
	most := float64(took.Milliseconds()) / 1000
	for _, t := range []*float64{&r.ContextSeconds, &r.CacheImportSeconds, &r.ExportSeconds, &r.PushSeconds} {
		*t = min(*t, most)
	}
}

// tellGraph tells what a build that has begun will do. Where that cannot be told
// the build goes on all the same, if it does not rest on that: holds says so of the images
// that it reads.
func (b *Builder) tellGraph(ctx context.Context, c gateway.Client, res *gateway.Result, around graph.Surroundings, holds func(images []string) bool, tell func(graph.Graph), p *progress) error {
	g, places, err := b.images.graph(ctx, c, res, c.BuildOpts().Opts["image-resolve-mode"], around)
	var images []string
	for _, image := range g.Images {
		images = append(images, image.Ref)
	}
	if !holds(images) {
		return errMoved
	}
	if err != nil {
		return nil
	}
	tell(g)
	p.addPlaces(places, around.Sent)
	return nil
}

// errMoved says that a base image is another than the one for which links were proved.
var errMoved = errors.New("the base image is not the one for which its steps are linked")

// localDirs returns what the names of directories in a build's session stand for
// (loadInputs in buildx's build/opt.go).
func localDirs(in build.Inputs) func(name string) string {
	return func(name string) string {
		path := ""
		switch name {
		case "context":
			path = in.ContextPath
		case "dockerfile":
			return name // the copy of this run
		default:
			c, ok := in.NamedContexts[name]
			if !ok {
				c = in.NamedContexts[strings.TrimPrefix(name, "_")]
			}
			path = c.Path
		}
		if dir, err := filepath.Abs(path); err == nil {
			return dir
		}
		return path
	}
}

// namesOf returns the names of those nodes that have certain workers.
func namesOf(nodes []*Node, workers map[string]bool) string {
	var names []string
	for _, n := range nodes {
		if len(nodes) == 1 || workers[n.id] {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// moveTimes finds out by how much buildx moves the times of the progress of a build's
// target, until the returned function is called. Where several nodes build, each for its platforms,
// they are left as they are.
func moveTimes(ctx context.Context, nodes []*Node, of, ref string, p *progress) (stop func()) {
	c, err := nodes[0].node.Driver.Client(ctx)
	if len(nodes) > 1 || err != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	p.awaitMove(of)
	asking.Go(func() {
		if step, at, ok := firstStarted(ctx, c, ref); ok {
			p.move(of, step, at.Add(-nodes[0].clock.now(ctx, c)))
		}
	})
	return func() {
		cancel()
		p.stopWaiting(of)
		asking.Wait()
	}
}

// named returns the nodes with some names; all where there are none.
func (b *Builder) named(names []string) (nodes []*Node) {
	for _, n := range b.Nodes() {
		if len(names) == 0 || slices.Contains(names, n.name) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Build makes one attempt at a job on some nodes, by their names: several where each
// builds for some of the platforms, all where none is named. It writes BuildKit's own plain progress to log. The
// result holds the timings also when the build fails. Where a base image is another by now than
// the one for which steps were linked, they are not.
func (b *Builder) Build(ctx context.Context, on []string, job *plan.Job, log io.Writer, watch Watch) (Result, error) {
	result, moved, err := b.build(ctx, on, job, log, watch)
	if moved {
		result, _, err = b.build(ctx, on, job.Proved.Plain, log, watch)
	}
	return result, err
}

func (b *Builder) build(ctx context.Context, on []string, job *plan.Job, log io.Writer, watch Watch) (result Result, moved bool, err error) {
	nodes := b.named(on)
	if len(nodes) == 0 {
		return Result{}, false, fmt.Errorf("the builder has no node %s", strings.Join(on, " or "))
	}
	bxNodes, names := make([]buildxbuilder.Node, len(nodes)), make([]string, len(nodes))
	for i, n := range nodes {
		bxNodes[i], names[i] = n.node, n.name
	}
	watch = watch.whole()
	export := b.exports.export(&watch)
	defer export.end()
	progress := newProgress(log, watch)
	e := &evaluation{builder: b, parts: partsOf(b, job, watch.NoCache), watch: watch, progress: progress, export: export, workers: map[string]bool{}}
	options := map[string]build.Options{}
	for name, part := range e.parts {
		options[name] = part.options
		defer func() { b.history.end(part.options.Ref, names) }()
		progress.shifts[name] = &shift{}
	}
	if b.pushed != nil {
		b.pushed.before(ctx, job)
	}
	var moves []func()
	for name, o := range options {
		moves = append(moves, moveTimes(ctx, nodes, name, o.Ref, progress))
	}
	start := time.Now()
	response, err := build.Build(ctx, bxNodes, options, b.docker(), b.config, progress, &build.Handler{Evaluate: e.evaluate})
	for _, moved := range moves {
		moved()
	}
	result = Result{Node: namesOf(nodes, e.workers)}
	took := time.Since(start)
	result.Timings = progress.close()
	result.atMost(took)
	result.Phases = progress.phases(start, took)
	if err != nil {
		return result, e.moved, ofOutput(job, progress.explain(ofOwn(err)))
	}
	if b.pushed != nil {
		b.pushed.built(job, response[target].ExporterResponse)
	}
	b.images.forget(job.Tags)
	result.setImage(response[target].ExporterResponse)
	return result, false, nil
}

// setImage reads what an export tells of the image.
func (r *Result) setImage(response map[string]string) {
	r.Digest, r.ConfigDigest = response[exptypes.ExporterImageDigestKey], response[exptypes.ExporterImageConfigDigestKey]
	var d ocispecs.Descriptor
	data, err := base64.StdEncoding.DecodeString(response[exptypes.ExporterImageDescriptorKey])
	if err == nil && json.Unmarshal(data, &d) == nil {
		r.Descriptor = &d
	}
}
