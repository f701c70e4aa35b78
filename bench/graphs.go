package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/lab"
	jobplan "github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows/file"
)

// otherFrontend is the Dockerfile frontend under a name that tells nothing of it.
const otherFrontend = "somebody/dockerfile:1"

// graphWays are the Dockerfiles whose graphs are asked for.
var graphWays = []struct{ name, dir, syntax string }{
	{"no syntax line", "none", ""},
	{"syntax=" + syntaxImage, "docker", syntaxImage},
	{"syntax=" + otherFrontend, "other", otherFrontend},
}

// graphs measures how long it takes to learn what the builds of many jobs do.
func graphs(ctx context.Context, b *bench) (report.Report, error) {
	jobs, rounds := 500, 3
	if b.quick {
		jobs, rounds = 100, 1
	}
	r := report.Report{
		Title: fmt.Sprintf("Graphs: what the builds of %d jobs do", jobs),
		Text: fmt.Sprintf("%d jobs, each with its own Dockerfile of 30 instructions on one base image, about which the builder is asked as a run does"+
			" before its first build. Without a syntax line, and with that of docker's own frontend, most are converted in Stoker's process;"+
			" a frontend of another name runs in the builder for every one. Each time the daemon is new and has nothing cached; medians of %d rounds.",
			jobs, rounds),
		Columns: []report.Column{
			{Key: "wall", Title: "wall clock", Unit: report.Seconds, Chart: true},
			{Key: "first", Title: "the first graph after", Unit: report.Seconds},
			{Key: "clients", Title: "processor time of Stoker", Unit: report.Seconds},
			{Key: "daemon", Title: "and of the daemon", Unit: report.Seconds},
		},
	}
	for round := range rounds {
		for _, w := range graphWays {
			row, err := measureGraphs(ctx, b, w.dir, w.syntax, jobs)
			if err != nil {
				return r, fmt.Errorf("%s: %w", w.name, err)
			}
			row.Way, row.Ours = w.name, true
			say("graphs: round %d, %s: %.2f s", round+1, w.name, row.Values["wall"])
			r.Rounds = append(r.Rounds, row)
		}
	}
	r.Rows = report.Medians(r.Rounds)
	return r, nil
}

// measureGraphs asks a new daemon about jobs with a syntax line.
func measureGraphs(ctx context.Context, b *bench, name, syntax string, jobs int) (row report.Row, err error) {
	dir, err := b.dir("graphs", name)
	if err != nil {
		return row, err
	}
	registry, err := lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	p, err := graphJobs(ctx, registry, dir, syntax, jobs)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	d, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{Insecure: []string{registry.Host()}, Upstreams: lab.Mirrored(registry.Host(), "docker.io")})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	client, err := builder.Connect(ctx, builder.Options{Names: []string{d.Addr()}, StateDir: filepath.Join(dir, "state")})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return askAll(ctx, d, client, p.Jobs)
}

// graphJobs makes the plan, with its base image and the frontends on the registry.
func graphJobs(ctx context.Context, registry *lab.Registry, dir, syntax string, jobs int) (*jobplan.Plan, error) {
	base, err := lab.MakeImage(ctx, registry.Host(), lab.Image{Name: "ubuntu:jammy"})
	if err != nil {
		return nil, err
	}
	if err := lab.PushFrontends(ctx, registry.Host()); err != nil {
		return nil, err
	}
	if _, err := lab.PushFrontend(ctx, registry.Host(), otherFrontend, lab.FrontendCurrent); err != nil {
		return nil, err
	}
	if _, err := lab.WriteTasks(dir, lab.Tasks{Count: jobs, Base: base.Ref, Syntax: syntax}); err != nil {
		return nil, err
	}
	in, err := file.Read(filepath.Join(dir, lab.TasksFile))
	if err != nil {
		return nil, err
	}
	return jobplan.New(jobplan.Spec{Context: dir + "/{{.dir}}", Outputs: []string{"type=cacheonly"}, AllowOutside: true}, in)
}

// askAll asks a builder about jobs.
func askAll(ctx context.Context, d *lab.Buildkitd, client *builder.Builder, jobs []*jobplan.Job) (row report.Row, err error) {
	daemonBefore, err := daemonCPU(d)
	if err != nil {
		return row, err
	}
	answers := make(chan error, len(jobs))
	clientBefore, start := ownCPU(), time.Now()
	var first time.Duration
	go func() {
		defer close(answers)
		err = client.Graphs(ctx, jobs, func(_ *jobplan.Job, g graph.Graph, err error) {
			if err == nil && len(g.Vertices) == 0 {
				err = errors.New("an empty graph")
			}
			answers <- err
		})
	}()
	told := 0
	var failed error
	for answer := range answers {
		if told++; told == 1 {
			first = time.Since(start)
		}
		failed = errors.Join(failed, answer)
	}
	wall, clients := time.Since(start), ownCPU()-clientBefore
	daemonAfter, cpuErr := daemonCPU(d)
	if err := errors.Join(err, failed, cpuErr); err != nil {
		return row, err
	}
	if told != len(jobs) {
		return row, fmt.Errorf("%d graphs of %d jobs", told, len(jobs))
	}
	row.Values = map[string]float64{"wall": wall.Seconds(), "first": first.Seconds(), "clients": clients.Seconds(), "daemon": (daemonAfter - daemonBefore).Seconds()}
	return row, nil
}

// ownCPU is the processor time that this process has used. A registry is in it, too.
func ownCPU() time.Duration {
	var usage unix.Rusage
	// It cannot fail for the calling process.
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
