package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// buildx returns a command of buildx, with a builder that is the plan's daemon.
func (p plan) buildx(ctx context.Context, program string) (command, error) {
	log := filepath.Join(p.workDir, "create.log")
	run := command{program: program, dir: p.workDir, env: []string{"BUILDX_CONFIG=" + filepath.Join(p.workDir, "buildx")}}
	run.args = []string{"create", "--name", bakeBuilder, "--driver", "remote", p.address}
	if _, err := execute(ctx, log, run); err != nil {
		return run, fmt.Errorf("buildx create: %w: %s", err, textOf(log))
	}
	return run, nil
}

// bake builds all jobs with buildx bake.
func (p plan) bake(ctx context.Context, buildx string) (outcome, error) {
	file, err := json.Marshal(p.bakeTargets())
	if err != nil {
		return outcome{}, err
	}
	if err := os.WriteFile(filepath.Join(p.workDir, bakeFile), file, 0o644); err != nil {
		return outcome{}, err
	}
	run, err := p.buildx(ctx, buildx)
	if err != nil {
		return outcome{}, err
	}
	log := filepath.Join(p.workDir, "buildx.log")
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
		Context string            `json:"context"`
		Args    map[string]string `json:"args,omitempty"`
		Tags    []string          `json:"tags"`
	}
	targets := map[string]target{}
	var names []string
	for _, j := range p.jobs {
		t := target{Context: j.dir, Tags: []string{j.tag}}
		if p.contextDir != "" {
			t.Context, t.Args = p.contextDir, map[string]string{"BASE_IMAGE": j.base}
			for _, arg := range p.buildArgs {
				key, value, _ := strings.Cut(arg, "=")
				t.Args[key] = value
			}
		}
		targets[j.name] = t
		names = append(names, j.name)
	}
	return map[string]any{
		"group":  map[string]any{"default": map[string]any{"targets": names}},
		"target": targets,
	}
}
