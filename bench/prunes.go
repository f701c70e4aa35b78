package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/lab"
)

// buildxArgs are those of the buildx process that builds an image and pushes it.
func (p plan) buildxArgs(j job) []string {
	args := []string{"build", "--builder", bakeBuilder, "--push", "--progress", "plain", "-t", j.tag, "--build-arg", "BASE_IMAGE=" + j.base}
	for _, arg := range p.buildArgs {
		args = append(args, "--build-arg", arg)
	}
	return append(append(args, p.buildxFlags...), p.contextDir)
}

// keepStorageArgs are those of the buildx process that prunes after an image.
func keepStorageArgs(bytes int64) []string {
	return []string{"prune", "--builder", bakeBuilder, "--all", "--force", "--keep-storage", fmt.Sprintf("%dMB", bytes/mb)}
}

// pruneEachWay is what OpenHands/benchmarks does: each of several workers builds an image,
// pushes it, and then prunes all that is in no use down to a size. What it does besides, to
// remove the image and prune docker's image store, there is no need for: a builder that
// pushes has no image store.
func pruneEachWay(buildx string, workers int, keep int64) way {
	prune := keepStorageArgs(keep)
	return way{
		name: "buildx build --push, then prune, for each image", workers: workers,
		line: fmt.Sprintf("for each image, %d at once: %s && %s", workers,
			commandLine("buildx", standIn(workers, agentArg("BUILDER")).buildxArgs(standInJob)), commandLine("buildx", prune)),
		build: func(ctx context.Context, _ *bench, _ *lab.Buildkitd, p plan) (outcome, error) {
			return p.each(ctx, buildx, prune)
		},
	}
}

// each builds the images with a buildx process each, as many at once as there are workers, and one more
// that prunes after each, also where the build failed; without arguments for that, none.
func (p plan) each(ctx context.Context, buildx string, prune []string) (outcome, error) {
	run, err := p.buildx(ctx, buildx)
	if err != nil {
		return outcome{}, err
	}
	start := time.Now()
	var out outcome
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(p.workers)
	for _, j := range p.jobs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			log := filepath.Join(p.workDir, j.name+".log")
			run := run
			run.args = p.buildxArgs(j)
			built, buildErr := execute(ctx, log, run)
			var pruned usage
			var pruneErr error
			if run.args = prune; prune != nil {
				pruned, pruneErr = execute(ctx, filepath.Join(p.workDir, j.name+".prune.log"), run)
			}
			mu.Lock()
			defer mu.Unlock()
			out.add(built)
			out.add(pruned)
			if _, failed := exitCode(buildErr); failed {
				out.fail(textOf(log))
				buildErr = nil
			}
			if _, failed := exitCode(pruneErr); failed {
				pruneErr = nil // which there is only a warning, too
			}
			return errors.Join(buildErr, pruneErr)
		})
	}
	err = group.Wait()
	out.wall = time.Since(start)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}
