package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/buildkitd"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/space"
)

// batchSize is how many images are pruned or swept together.
const batchSize = 5

// scale is how much there is to build: more layers than fit on the small disk, where they count
// about twice, packed and unpacked.
type scale struct {
	name     string
	projects int
	each     int // images of a project
	shuffled bool

	osBytes  int64 // of the layer that all base images share
	envBytes int64 // of the layer that the base images of a project share
	ownBytes int64 // of each base image's own layer
	runBytes int64 // of the layer that the build adds

	small, unlimited int64 // sizes of the disks
}

// forty is the scale of the comparison with others: on disk 300 MB for all, 84 MB for each of 4
// projects, and 126 MB for each image.
func forty(b *bench) scale {
	s := scale{
		name: "peers", projects: 4, each: 10,
		osBytes: 150 * mb, envBytes: 42 * mb, ownBytes: 13 * mb, runBytes: 50 * mb,
		small: 1500 * mb, unlimited: 12_000 * mb,
	}
	if b.quick {
		s.each = 3
		s.osBytes, s.envBytes, s.ownBytes, s.runBytes = s.osBytes/2, s.envBytes/2, s.ownBytes/2, s.runBytes/2
		s.small = 640 * mb
	}
	return s
}

// sixProjects is a long list in no order, with 100 MB on disk for each image.
func sixProjects(b *bench) scale {
	s := scale{
		name: "shuffled", projects: 6, each: 20, shuffled: true,
		osBytes: 150 * mb, envBytes: 42 * mb, ownBytes: 13 * mb, runBytes: 37 * mb,
		small: 1500 * mb, unlimited: 24_000 * mb,
	}
	if b.quick {
		s.each = 4
	}
	return s
}

func (s scale) jobs() int { return s.projects * s.each }

func (s scale) contest() contest {
	return contest{name: s.name, jobs: s.jobs(), small: s.small, unlimited: s.unlimited, prepare: s.prepare}
}

// shape is that of the base images.
func (s scale) shape() lab.Shape {
	instances := lab.Instances(s.projects, s.each)
	if s.shuffled {
		// The same order in every run.
		dice := rand.New(rand.NewPCG(1, 1))
		dice.Shuffle(len(instances), func(a, b int) { instances[a], instances[b] = instances[b], instances[a] })
	}
	return lab.Shape{Instances: instances, OSBytes: s.osBytes, EnvBytes: s.envBytes, OwnBytes: s.ownBytes}
}

// text describes it.
func (s scale) text() string {
	order := "project by project"
	if s.shuffled {
		order = "in no order"
	}
	size := func(bytes int64) string { return report.Bytes.Format(float64(bytes)) }
	return fmt.Sprintf("%d images of %d projects, %s. Their base images share a layer of %s, and those of a project one of %s;"+
		" each has %s of its own, and each build adds %s. On disk each layer counts twice, packed and unpacked."+
		" The daemon's disk is a real ext4 file system of %s, or one that is large enough for everything."+
		" Images are pushed to a registry that is not on that disk. Each way has a new disk, daemon and registry.",
		s.jobs(), s.projects, order, size(s.osBytes), size(s.envBytes),
		size(s.ownBytes), size(s.runBytes), size(s.small))
}

const peersWorkers = 4

// keptPart is how much of the disk those keep who say how much cache is to be left.
const keptPart = 0.4

func (s scale) kept() int64 { return int64(float64(s.small) * keptPart) }

// peers compares what people do about a full disk.
func peers(ctx context.Context, b *bench) (report.Report, error) {
	s := forty(b)
	buildx, err := lab.FindBuildx()
	if err != nil {
		return report.Report{}, err
	}
	tuned := func(c buildkitd.Config) {
		size := fmt.Sprintf("%dMB", s.kept()/mb)
		c.Set(size, "worker", "oci", "maxUsedSpace")
		c.Set(size, "worker", "oci", "minFreeSpace")
	}
	ways := []way{
		loopWay("no pruning, large disk", peersWorkers),
		loopWay("no pruning", peersWorkers),
		loopWay("BuildKit's garbage collector, default policy", peersWorkers),
		loopWay("the same, tuned to 40% of the disk", peersWorkers),
		descriptionWay(peersWorkers),
		bakeWay("buildx bake", buildx, peersWorkers),
		pruneEachWay(buildx, peersWorkers, s.kept()),
		stokerWay("stoker build --prune completed", peersWorkers, "--prune", "completed"),
		stokerWay("stoker build --prune auto", peersWorkers, "--prune", "auto"),
	}
	ways[0].unlimited = true
	ways[2].daemon.GC = true
	ways[3].daemon.GC, ways[3].daemon.Config = true, tuned
	r, err := s.contest().compare(ctx, b, ways)
	r.Text = s.text()
	r.Title = fmt.Sprintf("Peers: %d images on a disk of %s", s.jobs(), report.Bytes.Format(float64(s.small)))
	return r, err
}

// diskUse shows how the use of a small disk goes with and without Stoker.
func diskUse(ctx context.Context, b *bench) (report.Report, error) {
	s := forty(b)
	s.name = "disk"
	buildx, err := lab.FindBuildx()
	if err != nil {
		return report.Report{}, err
	}
	free := loopWay("no pruning, on a large disk", peersWorkers)
	free.unlimited = true
	collected := loopWay("BuildKit's garbage collector", peersWorkers)
	collected.daemon.GC = true
	c := s.contest()
	c.use = true
	r, err := c.compare(ctx, b, []way{free, collected, descriptionWay(peersWorkers),
		bakeWay("buildx bake", buildx, peersWorkers), pruneEachWay(buildx, peersWorkers, s.kept()), stokerWay("stoker build", peersWorkers)})
	r.Title = fmt.Sprintf("Disk use while %d images are built", s.jobs())
	r.Text = s.text()
	if err != nil {
		return r, err
	}
	last := r.Rows[len(r.Rows)-1] // on the small disk
	r.Limit = &report.Limit{Bytes: last.Values["capacity"], Name: "a disk of " + report.Bytes.Format(float64(s.small)) + " is full"}
	return r, nil
}

// shuffled compares numbers of workers on a longer list in no order: on a disk without limit, on a
// small one, and with a cache that may be hardly larger than it must.
func shuffled(ctx context.Context, b *bench) (report.Report, error) {
	s := sixProjects(b)
	var ways []way
	for _, n := range b.workers {
		free := loopWay(fmt.Sprintf("no pruning, large disk, %d workers", n), n)
		free.unlimited = true
		tight := stokerWay(fmt.Sprintf("stoker build --workers %d --cache-budget, %.1f times the least", n, tightness), n,
			"--cache-budget", fmt.Sprint(int64(tightness*float64(s.least(n)))))
		ways = append(ways, free, stokerWay(fmt.Sprintf("stoker build --workers %d", n), n), tight)
	}
	r, err := s.contest().compare(ctx, b, ways)
	r.Text = s.text()
	r.Title = fmt.Sprintf("Shuffled: %d images on a disk of %s", s.jobs(), report.Bytes.Format(float64(s.small)))
	r.Text += " The least is what the cache must hold at the worst moment, in Stoker's order and with as many builds at once:" +
		" the layers that are needed again, and what the running builds make."
	r.Columns = append(r.Columns, report.Column{Key: "least", Title: "peak to the least", Unit: report.Ratio})
	for i, row := range r.Rows {
		row.Values["least"] = row.Values["disk"] / float64(s.least(ways[i].workers))
	}
	return r, err
}

// tightness is how many times the least the smallest cache is.
const tightness = 1.1

// least is Stoker's own lower bound for the cache's peak, from what layers and builds really take:
// all of it twice, packed and unpacked.
func (s scale) least(workers int) int64 {
	shared := graph.NewShared()
	var jobs []int
	for i, instance := range s.shape().Instances {
		shared.Set(i, graph.Upon(graph.ImageLayers{Ref: instance, Digests: []string{"os", lab.Project(instance), instance},
			Sizes: []int64{s.osBytes, s.envBytes, s.ownBytes}}))
		jobs = append(jobs, i)
	}
	sizes := space.NewSizes(space.Rates{PerByte: 2, Own: 2 * s.runBytes})
	sizes.Know(shared)
	p := space.Plan{Workers: workers, Sizes: sizes}
	for _, job := range shared.Order(jobs, nil, graph.Costs{Weight: shared.Size}) {
		p.Jobs = append(p.Jobs, space.Job{Vertices: shared.Path(job)})
	}
	return space.Simulate(p).LeastBytes
}

// agentArg is the build argument of the Dockerfile besides the base image.
func agentArg(builder string) string { return "BUILDER_IMAGE=" + builder }

func loopWay(name string, workers int) way {
	return way{
		name: name, workers: workers,
		line: fmt.Sprintf("for each image, %d at once: %s", workers,
			commandLine("buildctl", standIn(workers, agentArg("BUILDER")).buildctlArgs(standInJob))),
		build: func(ctx context.Context, b *bench, _ *lab.Buildkitd, p plan) (outcome, error) {
			return p.loop(ctx, b.buildctl)
		},
	}
}

func stokerWay(name string, workers int, flags ...string) way {
	flags = append(flags, "--batch-size", fmt.Sprint(batchSize))
	return way{
		name: name, ours: true, workers: workers,
		line: commandLine("stoker", standIn(workers, agentArg("BUILDER")).stokerArgs(flags...)),
		build: func(ctx context.Context, b *bench, _ *lab.Buildkitd, p plan) (outcome, error) {
			return p.stoker(ctx, b.stoker, flags...)
		},
	}
}

// descriptionWay builds in batches and prunes by description what the last batch left, in the
// background.
func descriptionWay(workers int) way {
	line := loopWay("", workers).line
	prune := pruneArgs([]job{{base: "BASE1"}, {base: "BASE2"}})
	return way{
		name: "batches, pruned by description", workers: workers,
		line: fmt.Sprintf("%s\nafter each batch of %d, in the background: %s", line, batchSize, commandLine("buildctl", prune)),
		build: func(ctx context.Context, b *bench, d *lab.Buildkitd, p plan) (outcome, error) {
			return p.batches(ctx, b.buildctl, d)
		},
	}
}

// batches builds batch after batch; a batch is pruned while the next ones build.
func (p plan) batches(ctx context.Context, buildctl string, d *lab.Buildkitd) (outcome, error) {
	start := time.Now()
	var out outcome
	var prunes errgroup.Group
	prunes.SetLimit(1)
	for batch := range slices.Chunk(p.jobs, batchSize) {
		part := p
		part.jobs = batch
		built, err := part.loop(ctx, buildctl)
		out.add(built.usage)
		for reason, n := range built.failures {
			out.failTimes(reason, n)
		}
		if err != nil {
			return out, errors.Join(err, prunes.Wait())
		}
		prunes.Go(func() error {
			_, err := d.Buildctl(ctx, pruneArgs(batch)...)
			return err
		})
	}
	err := prunes.Wait()
	out.wall = time.Since(start)
	return out, err
}

// pruneArgs are those of the prune that the images' names are to find the cache with.
func pruneArgs(jobs []job) []string {
	bases := make([]string, len(jobs))
	for i, j := range jobs {
		bases[i] = j.base
	}
	return []string{"prune", "--all", "--filter", builder.DescriptionFilter(bases)}
}

// prepare makes the base images, the build context and the plan.
func (s scale) prepare(ctx context.Context, registry *lab.Registry, work string, w way) (plan, error) {
	bases, err := lab.MakeBases(ctx, registry.Host(), s.shape())
	if err != nil {
		return plan{}, err
	}
	agent, err := lab.MakeBuilder(ctx, registry.Host(), 1*mb, 1)
	if err != nil {
		return plan{}, err
	}
	contextDir := filepath.Join(work, "context")
	if _, err := lab.WriteAgent(contextDir, lab.Agent{OwnCacheBytes: s.runBytes, ContextBytes: 1000, Syntax: w.syntax}); err != nil {
		return plan{}, err
	}
	return plan{
		contextDir: contextDir, workDir: work, buildArgs: []string{agentArg(agent.Ref)},
		jobs: jobsOf(bases, registry.Host(), s.name), tag: registry.Host() + "/" + s.name + "/{{.Name}}:1",
	}, nil
}
