package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

// overheadWorkers is how many builds run at once.
const overheadWorkers = 4

// wayLoop is the way that the others are compared to.
const wayLoop = "a loop of buildctl"

// overheadWays are those that overhead compares: Stoker as it is, which removes nothing while there
// is room, and with a sweep after each batch.
var overheadWays = []overheadWay{
	{name: wayLoop, dir: "loop"},
	{name: "stoker build", dir: "stoker", ours: true},
	{name: "stoker build --prune completed", dir: "completed", ours: true, flags: []string{"--prune", "completed"}},
}

type overheadWay struct {
	name  string
	dir   string // in paths and repositories
	ours  bool
	flags []string
}

// tinyDockerfile takes next to no time to build, so that the time around it shows.
const tinyDockerfile = `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY file.txt /
`

// overhead measures what Stoker itself costs: many images that are built at once, beside a plain
// loop that starts a buildctl process for each.
func overhead(ctx context.Context, b *bench) (report.Report, error) {
	images, rounds := 500, 3
	if b.quick {
		images, rounds = 100, 1
	}
	r := report.Report{
		Title: fmt.Sprintf("Overhead: %d tiny images", images),
		Text: fmt.Sprintf("Each image adds one file of 1 kB to its own base image, which differs from the others in one layer of 1 kB."+
			" %d builds run at once and push to a registry on loopback. Each way has a new daemon and new repositories in each of %d rounds,"+
			" and they take turns at being first; the figures are medians.", overheadWorkers, rounds),
		Columns: []report.Column{
			{Key: "wall", Title: "wall clock", Unit: report.Seconds, Chart: true},
			{Key: "ratio", Title: "ratio to the loop", Unit: report.Ratio},
			{Key: "rate", Title: "images per second", Unit: report.PerSecond},
			{Key: "memory", Title: "peak memory of a client process", Unit: report.Bytes, Chart: true},
			{Key: "clients", Title: "processor time of the clients", Unit: report.Seconds},
			{Key: "daemon", Title: "and of the daemon", Unit: report.Seconds},
			{Key: "cpu", Title: "processor time in all", Unit: report.Seconds, Chart: true},
			{Key: "cpuRatio", Title: "its ratio to the loop", Unit: report.Ratio},
		},
	}
	for _, w := range overheadWays {
		line := commandLine("stoker", standIn(overheadWorkers).stokerArgs(w.flags...))
		if !w.ours {
			line = fmt.Sprintf("for each image, %d at once: %s", overheadWorkers, commandLine("buildctl", standIn(overheadWorkers).buildctlArgs(standInJob)))
		}
		r.Commands = append(r.Commands, report.Command{Way: w.name, Line: line})
	}
	o, err := newOverheadRun(ctx, b, images)
	if err != nil {
		return r, err
	}
	if err := errors.Join(o.rounds(ctx, rounds), o.registry.Close()); err != nil {
		return r, err
	}
	r.Rounds, r.Rows = o.rows, report.Medians(o.rows)
	addRatios(r.Rows)
	r.Notes = append(o.notes, o.requestNote(),
		"Where others keep the machine busy, processor time is the safer figure than wall clock.")
	return r, nil
}

// addRatios compares each way to the loop.
func addRatios(rows []report.Row) {
	i := slices.IndexFunc(rows, func(r report.Row) bool { return r.Way == wayLoop })
	if i < 0 {
		return
	}
	loop := rows[i].Values
	for _, row := range rows {
		row.Values["ratio"] = row.Values["wall"] / loop["wall"]
		row.Values["cpuRatio"] = row.Values["cpu"] / loop["cpu"]
	}
}

type overheadRun struct {
	*bench
	registry   *lab.Registry
	bases      []lab.Base
	contextDir string
	rows       []report.Row
	requests   map[string]request // by way
	notes      []string
}

func newOverheadRun(ctx context.Context, b *bench, images int) (*overheadRun, error) {
	o := &overheadRun{bench: b, requests: map[string]request{}}
	var err error
	if o.contextDir, err = b.dir("overhead", "context"); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"Dockerfile": tinyDockerfile, "file.txt": strings.Repeat("x", 1000)} {
		if err := os.WriteFile(filepath.Join(o.contextDir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if o.registry, err = lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true}); err != nil {
		return nil, err
	}
	say("overhead: making %d base images", images)
	shape := lab.Shape{Instances: lab.Instances(1, images), OwnBytes: 1000}
	if o.bases, err = lab.MakeBases(ctx, o.registry.Host(), shape); err != nil {
		return nil, errors.Join(err, o.registry.Close())
	}
	return o, nil
}

// rounds lets each way build everything several times.
func (o *overheadRun) rounds(ctx context.Context, rounds int) (err error) {
	name := func(w overheadWay) string { return w.name }
	o.rows, err = inTurns("overhead", overheadWays, rounds, name, func(w overheadWay, round int) (report.Row, error) {
		return o.measure(ctx, w, fmt.Sprintf("%s-%d", w.dir, round))
	})
	return err
}

// measure lets one way build everything once, on a daemon and in repositories of its own.
func (o *overheadRun) measure(ctx context.Context, w overheadWay, dir string) (row report.Row, err error) {
	settle()
	d, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{Insecure: []string{o.registry.Host()}})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	p, err := o.plan(d, dir)
	if err != nil {
		return row, err
	}
	o.registry.Reset()
	out, err := w.build(ctx, o.bench, p)
	if err != nil {
		return row, err
	}
	daemon, err := daemonCPU(d)
	if err != nil {
		return row, err
	}
	if o.requests[w.name], err = lastRequest(ctx, d); err != nil {
		return row, err
	}
	row = report.Row{Way: w.name, Ours: w.ours, Values: map[string]float64{
		"wall": out.wall.Seconds(), "memory": float64(out.memory), "clients": out.cpu.Seconds(),
		"daemon": daemon.Seconds(), "cpu": (out.cpu + daemon).Seconds(),
		"rate": float64(len(p.jobs)) / out.wall.Seconds(),
	}}
	if built := builtIn(o.registry, p.jobs); built < len(p.jobs) {
		row.Short = fmt.Sprintf("built %d of %d", built, len(p.jobs))
		o.notes = append(o.notes, fmt.Sprintf("%s %s: %s", w.name, row.Short, out.failureText()))
	}
	return row, nil
}

// plan is all images, with logs, results and repositories of their own.
func (o *overheadRun) plan(d *lab.Buildkitd, dir string) (plan, error) {
	work, err := o.dir("overhead", dir)
	repo := "overhead/" + dir
	return plan{
		address: d.Addr(), contextDir: o.contextDir, workDir: work, workers: overheadWorkers,
		jobs: jobsOf(o.bases, o.registry.Host(), repo), tag: o.registry.Host() + "/" + repo + "/{{.Name}}:1",
	}, err
}

func (w overheadWay) build(ctx context.Context, b *bench, p plan) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, wayLimit)
	defer cancel()
	if w.ours {
		return p.stoker(ctx, b.stoker, w.flags...)
	}
	return p.loop(ctx, b.buildctl)
}

// requestNote says whether all ways asked the same of BuildKit.
func (o *overheadRun) requestNote() string {
	var list []string
	for _, w := range overheadWays {
		for _, difference := range differences(o.requests[w.name], o.requests[wayLoop]) {
			list = append(list, w.name+" "+difference)
		}
	}
	if len(list) == 0 {
		return "By the daemon's record of its builds, all ways asked exactly the same of it."
	}
	return "By the daemon's record of its builds, all ways asked the same of it as the loop, except: " + strings.Join(list, "; ") + "."
}

// jobsOf are the images to build on base images, in a repository each.
func jobsOf(bases []lab.Base, host, repo string) []job {
	jobs := make([]job, len(bases))
	for i, base := range bases {
		jobs[i] = job{name: base.Name, base: base.Ref, tag: host + "/" + repo + "/" + base.Name + ":1"}
	}
	return jobs
}

// builtIn counts the images that were pushed to the registry since its last reset.
func builtIn(registry *lab.Registry, jobs []job) int {
	puts := registry.Requests().ManifestPuts
	built := 0
	for _, j := range jobs {
		if puts[strings.TrimPrefix(j.tag, registry.Host()+"/")] > 0 {
			built++
		}
	}
	return built
}
