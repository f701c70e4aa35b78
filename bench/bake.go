package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The builder and the file that buildx bake is given.
const (
	bakeBuilder = "bench"
	bakeFile    = "docker-bake.json"
)

// bakeArgs are those of the buildx process that builds all jobs: as many at once as the plan has
// workers, and the others all the same when one fails.
func (p plan) bakeArgs() []string {
	return []string{
		"bake", "--builder", bakeBuilder, "-f", bakeFile, "--push", "--progress", "quiet",
		"--jobs", fmt.Sprintf("defer-error,parallel=%d", p.workers),
	}
}

// bake builds jobs that have a Dockerfile each with buildx bake.
func (p plan) bake(ctx context.Context, buildx string) (outcome, error) {
	file, err := json.Marshal(p.bakeTargets())
	if err != nil {
		return outcome{}, err
	}
	if err := os.WriteFile(filepath.Join(p.workDir, bakeFile), file, 0o644); err != nil {
		return outcome{}, err
	}
	log := filepath.Join(p.workDir, "buildx.log")
	run := command{program: buildx, dir: p.workDir, env: []string{"BUILDX_CONFIG=" + filepath.Join(p.workDir, "buildx")}}
	run.args = []string{"create", "--name", bakeBuilder, "--driver", "remote", p.address}
	if _, err := execute(ctx, log, run); err != nil {
		return outcome{}, fmt.Errorf("buildx create: %w: %s", err, textOf(log))
	}
	start := time.Now()
	run.args = p.bakeArgs()
	used, err := execute(ctx, log, run)
	out := outcome{wall: time.Since(start), usage: used}
	if _, failed := exitCode(err); failed && ctx.Err() == nil {
		out.fail(textOf(log))
		err = nil
	}
	return out, err
}

// bakeTargets is a bake file with a target for each job.
func (p plan) bakeTargets() any {
	type target struct {
		Context string   `json:"context"`
		Tags    []string `json:"tags"`
	}
	targets := map[string]target{}
	var names []string
	for _, j := range p.jobs {
		targets[j.name] = target{Context: j.dir, Tags: []string{j.tag}}
		names = append(names, j.name)
	}
	return map[string]any{
		"group":  map[string]any{"default": map[string]any{"targets": names}},
		"target": targets,
	}
}
