package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

const (
	assemblyWorkers = 4
	// agentBytes are in the layer that every image gets.
	agentBytes = 30 * mb
)

// layingDockerfile adds to a base image what another has. A way of linking copies with --link.
const layingDockerfile = `ARG BASE_IMAGE
ARG BUILDER_IMAGE
FROM ${BUILDER_IMAGE} AS builder
FROM ${BASE_IMAGE}
COPY %s--from=builder /agent /agent
ENTRYPOINT ["/agent/bin/agent"]
`

// assemblyProjects share a third of their base images each.
const assemblyProjects = 4

// assembly compares ways to make images that only add a layer to their base.
func assembly(ctx context.Context, b *bench) (report.Report, error) {
	jobs, base := b.images, int64(b.baseMB)*mb
	if b.quick {
		jobs = min(jobs, 3*assemblyProjects)
	}
	part := min(b.part, jobs)
	buildx, err := lab.FindBuildx()
	if err != nil {
		return report.Report{}, err
	}
	c := contest{name: "assembly", jobs: jobs, unlimited: int64(part+2)*3*(base+agentBytes) + 4000*mb, onDisk: true,
		prepare: func(ctx context.Context, registry *lab.Registry, dir string, w way) (plan, error) {
			// Half of a base is shared by all, a third by its project.
			shape := lab.Shape{Instances: instancesOf(cmp.Or(w.part, jobs)), OSBytes: base / 2, EnvBytes: base / 3, OwnBytes: base / 6}
			return prepareAssembly(ctx, registry, dir, shape, w.linked)
		}}
	ways := []way{
		buildxEachWay(buildx),
		removedEachWay(buildx, keptBases*base),
		layingWay("stoker build, COPY, not linked", false, "builder"),
	}
	for i := range ways {
		ways[i].part = part
	}
	ways = append(ways,
		layingWay("stoker build, COPY --link, --assemble builder", true, "builder"),
		layingWay("stoker build, COPY --link", true, "auto"),
		warm(layingWay("the same, where the builder has the linked layers", true, "auto")),
		floorWay(),
	)
	for i := range ways {
		ways[i].unlimited = true
	}
	r, err := c.compare(ctx, b, ways)
	r.Title = fmt.Sprintf("Assembly: %d images that add a layer to bases of %d MB", jobs, b.baseMB)
	r.Text = fmt.Sprintf("%d images of %d projects. Their base images have %d MB each: half of it is in a layer that all share, a third in one that a project shares."+
		" Each image gets a layer of %s more, the same for all, and a configuration; none has provenance. %d builds run at once, but for the two loops."+
		" Each way has a new disk, daemon and registry, which is on another disk. The floor edits manifests with go-containerregistry, %d at once, when the layer is there.",
		jobs, assemblyProjects, b.baseMB, report.Bytes.Format(agentBytes), assemblyWorkers, assemblyWorkers)
	if err == nil && part < jobs {
		for i, w := range ways {
			if w.part > 0 {
				extrapolate(&r.Rows[i], jobs, part)
			}
		}
		r.Notes = append(r.Notes, fmt.Sprintf("Ways that say so were measured on %d images, not on %d. Their wall clock and processor time are what that took, times %.4g."+
			" Their peak disk and the bytes that were pulled and pushed are those of the %d.", part, jobs, float64(jobs)/float64(part), part))
	}
	return r, err
}

// instancesOf names as many images, spread over the projects.
func instancesOf(images int) []string {
	all := lab.Instances(assemblyProjects, (images+assemblyProjects-1)/assemblyProjects)
	return all[:images]
}

// extrapolate has a row tell how long all images would have taken of which a part was measured.
func extrapolate(r *report.Row, jobs, part int) {
	for _, key := range []string{"wall", "cpu"} {
		r.Values[key] *= float64(jobs) / float64(part)
	}
	r.Way += fmt.Sprintf(" (%d images, times %.4g)", part, float64(jobs)/float64(part))
}

func prepareAssembly(ctx context.Context, registry *lab.Registry, dir string, shape lab.Shape, linked bool) (plan, error) {
	bases, err := lab.MakeBases(ctx, registry.Host(), shape)
	if err != nil {
		return plan{}, err
	}
	agent, err := lab.MakeBuilder(ctx, registry.Host(), agentBytes, 1)
	if err != nil {
		return plan{}, err
	}
	link := ""
	if linked {
		link = "--link "
	}
	contextDir := filepath.Join(dir, "context")
	if err := os.MkdirAll(contextDir, 0o755); err != nil {
		return plan{}, err
	}
	return plan{
		contextDir: contextDir, workDir: dir, buildArgs: []string{agentArg(agent.Ref)},
		buildxFlags: []string{noProvenance}, jobs: jobsOf(bases, registry.Host(), "assembly"), tag: registry.Host() + "/assembly/{{.Name}}:1",
	}, os.WriteFile(filepath.Join(contextDir, "Dockerfile"), fmt.Appendf(nil, layingDockerfile, link), 0o644)
}

const noProvenance = "--provenance=false"

func layingWay(name string, linked bool, by string) way {
	flags := []string{noProvenance, "--assemble", by}
	if !linked {
		flags = append(flags, "--auto-link=false")
	}
	w := stokerWay(name, assemblyWorkers, flags...)
	w.linked = linked
	return w
}

// warm has a way make its first images before: the builder has what they link then. What that
// takes is not measured but for what is pulled and pushed.
func warm(w way) way {
	measured := w.build
	w.build = func(ctx context.Context, b *bench, d *lab.Buildkitd, p plan) (outcome, error) {
		first := p
		first.jobs = p.jobs[:1]
		if _, err := first.stoker(ctx, b.stoker, noProvenance); err != nil {
			return outcome{}, err
		}
		return measured(ctx, b, d, p)
	}
	return w
}

// buildxEachWay is what one writes first: a buildx process for each image, one after the other.
func buildxEachWay(buildx string) way {
	return way{
		name: "buildx build, one after the other, COPY", workers: 1,
		line: "for each image: " + shownBuildx(),
		build: func(ctx context.Context, _ *bench, _ *lab.Buildkitd, p plan) (outcome, error) {
			return p.each(ctx, buildx, nil)
		},
	}
}

// shownBuildx is the buildx process of an image, for people.
func shownBuildx() string {
	p := standIn(1, agentArg("BUILDER"))
	p.buildxFlags = []string{noProvenance}
	return commandLine("buildx", p.buildxArgs(standInJob))
}

// keptBases is to how many base images the cache is pruned after each image: 30 GB of 3 GB each
// at OpenHands/benchmarks.
const keptBases = 10

// removedEachWay is how users make such images now, one after the other: each is built and pushed, and
// the cache is pruned. Its image is not removed, since there is none: see pruneEachWay.
func removedEachWay(buildx string, keep int64) way {
	w := pruneEachWay(buildx, 1, keep)
	w.name = "buildx build --push, then prune, one after the other, COPY"
	w.line = "for each image: " + shownBuildx() + " && " + commandLine("buildx", keepStorageArgs(keep))
	return w
}

// floorWay writes manifests by hand, once the layer to add is there.
func floorWay() way {
	return way{
		name: "the floor: manifests edited by hand", workers: assemblyWorkers, linked: true,
		line: "for each image, 4 at once: its base's manifest with a layer more, by go-containerregistry's mutate and remote",
		build: func(ctx context.Context, b *bench, _ *lab.Buildkitd, p plan) (outcome, error) {
			first := p
			first.jobs = p.jobs[:1]
			if _, err := first.stoker(ctx, b.stoker, noProvenance); err != nil {
				return outcome{}, err
			}
			added, err := topLayer(ctx, p.jobs[0].tag)
			if err != nil {
				return outcome{}, err
			}
			start, cpu := time.Now(), ownCPU()
			err = p.editManifests(ctx, added)
			return outcome{wall: time.Since(start), usage: usage{cpu: ownCPU() - cpu}}, err
		},
	}
}

// topLayer is the last layer of an image.
func topLayer(ctx context.Context, ref string) (v1.Layer, error) {
	image, err := lab.PullImage(ctx, ref)
	if err != nil {
		return nil, err
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	return layers[len(layers)-1], nil
}

// editManifests pushes for each job its base image with a layer more.
func (p plan) editManifests(ctx context.Context, added v1.Layer) error {
	puller, err := remote.NewPuller()
	if err != nil {
		return err
	}
	pusher, err := remote.NewPusher()
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(p.workers)
	for _, j := range p.jobs {
		group.Go(func() error {
			base, err := lab.PullImage(ctx, j.base, remote.Reuse(puller))
			if err != nil {
				return err
			}
			image, err := mutate.AppendLayers(base, added)
			if err != nil {
				return err
			}
			tag, err := name.NewTag(j.tag, name.Insecure)
			if err != nil {
				return err
			}
			return pusher.Push(ctx, tag, image)
		})
	}
	return group.Wait()
}
