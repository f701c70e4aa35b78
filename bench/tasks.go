package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

// taskScale is many Dockerfiles on one base image: 23 of 30 steps are alike in all, some more in
// each of 33 variants.
type taskScale struct {
	count, variants                                 int
	baseBytes, commonBytes, variantBytes, tailBytes int64
}

// smallPart is how many times the small disk everything would fill.
const smallPart = 10

// manyTasks is the scale: 60 MB for each task and 100 MB for each variant in full.
func manyTasks(b *bench) taskScale {
	part := int64(4)
	switch {
	case b.quick:
		part = 8
	case b.full:
		part = 1
	}
	return taskScale{
		count: 120, variants: 33,
		baseBytes: 30 * mb / part, commonBytes: 22 * mb / part, variantBytes: 100 * mb / part, tailBytes: 60 * mb / part,
	}
}

// total is what everything takes on a disk where nothing is removed: packed and unpacked.
func (s taskScale) total() int64 {
	return 2 * (s.baseBytes + s.commonBytes + int64(s.variants)*s.variantBytes + int64(s.count)*s.tailBytes)
}

func (s taskScale) text() string {
	size := func(bytes int64) string { return report.Bytes.Format(float64(bytes)) }
	return fmt.Sprintf("%d tasks, each with its own Dockerfile of 30 instructions and context, all on one base image of %s. The first 23"+
		" steps are alike in all and write %s, the next 3 in each of %d variants, of %s; then each task has %s of its own. On disk each"+
		" layer counts twice, packed and unpacked. Stoker's disk is a real ext4 file system of %s, a tenth of what everything takes; bake's"+
		" is large enough for everything. Images are pushed to a registry on another disk. Each way has a new disk, daemon and registry.",
		s.count, size(s.baseBytes), size(s.commonBytes), s.variants, size(s.variantBytes), size(s.tailBytes), size(s.total()/smallPart))
}

// tasks compares Stoker on a small disk with buildx bake on one without limit, at several numbers
// of workers.
func tasks(ctx context.Context, b *bench) (r report.Report, err error) {
	s := manyTasks(b)
	buildx, err := lab.FindBuildx()
	if err != nil {
		return r, err
	}
	tally, err := lab.StartTally(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, tally.Close()) }()
	var ways []way
	for _, n := range b.workers {
		bake := bakeWay(fmt.Sprintf("buildx bake, parallel=%d, large disk", n), buildx, n)
		bake.unlimited = true
		ours := rowsWay(n)
		ours.against = bake.name
		ways = append(ways, bake, ours)
	}
	runs := &taskRuns{taskScale: s, tally: tally}
	r, err = runs.contest().compare(ctx, b, ways)
	r.Title = fmt.Sprintf("Tasks: %d Dockerfiles on one base image, on a disk of %s", s.count, report.Bytes.Format(float64(s.total()/smallPart)))
	r.Text = s.text()
	r.Columns = append(r.Columns,
		report.Column{Key: "ratio", Title: "wall clock to bake's", Unit: report.Ratio},
		report.Column{Key: "again", Title: "runs of shared steps beyond the first", Unit: report.Count},
		report.Column{Key: "astray", Title: "live records removed", Unit: report.Count})
	return r, err
}

func bakeWay(name, buildx string, workers int) way {
	return way{
		name: name, workers: workers,
		line: commandLine("buildx", standIn(workers).bakeArgs()),
		build: func(ctx context.Context, _ *bench, _ *lab.Buildkitd, p plan) (outcome, error) {
			return p.bake(ctx, buildx)
		},
	}
}

func rowsWay(workers int) way {
	p := standIn(workers)
	p.contextDir, p.tag = "", "REGISTRY/tasks/{{.id}}:1"
	return way{
		name: fmt.Sprintf("stoker build --workers %d", workers), ours: true, workers: workers,
		line: commandLine("stoker", p.stokerArgs()),
		build: func(ctx context.Context, b *bench, _ *lab.Buildkitd, p plan) (outcome, error) {
			return p.stoker(ctx, b.stoker)
		},
	}
}

// taskRuns are the tasks as several ways build them, one after the other.
type taskRuns struct {
	taskScale
	tally *lab.Tally
	tasks []lab.Task
}

func (t *taskRuns) contest() contest {
	// BuildKit keeps a trace of each of the last builds: tens of MB for one of bake's, whose traces
	// tell of all targets.
	unlimited := 2*t.total() + 4000*mb
	return contest{name: "tasks", jobs: t.count, small: t.total() / smallPart, unlimited: unlimited, onDisk: true,
		prepare: t.prepare, examine: t.examine}
}

func (t *taskRuns) prepare(ctx context.Context, registry *lab.Registry, dir string, _ way) (plan, error) {
	base, err := lab.MakeImage(ctx, registry.Host(), lab.Image{Name: "ubuntu:jammy", OSBytes: t.baseBytes})
	if err != nil {
		return plan{}, err
	}
	t.tasks, err = lab.WriteTasks(dir, lab.Tasks{
		Count: t.count, Base: base.Ref, Variants: t.variants, Tally: t.tally,
		CommonBytes: t.commonBytes, VariantBytes: t.variantBytes, TailBytes: t.tailBytes,
	})
	if err != nil {
		return plan{}, err
	}
	t.tally.Reset()
	p := plan{workDir: dir, tag: registry.Host() + "/tasks/{{.id}}:1"}
	for _, task := range t.tasks {
		p.jobs = append(p.jobs, job{name: task.ID, base: base.Ref, dir: task.Dir, tag: registry.Host() + "/tasks/" + task.ID + ":1"})
	}
	return p, nil
}

// examine counts how often steps that tasks share ran again, and what was removed that was needed.
func (t *taskRuns) examine(p plan, w way, values map[string]float64) error {
	values["again"] = float64(runsBeyondTheFirst(t.tally.Counts(), t.tasks))
	if !w.ours {
		return nil
	}
	summary, err := p.summary()
	if err != nil {
		return err
	}
	values["astray"] = float64(summary.Prune.LiveRemovedRecords)
	return nil
}

// runsBeyondTheFirst counts how often the steps that several tasks have ran more than once.
func runsBeyondTheFirst(counts map[string]int, tasks []lab.Task) int {
	users := map[string]int{}
	for _, task := range tasks {
		for _, run := range task.Runs {
			users[run]++
		}
	}
	again := 0
	for run, n := range counts {
		if users[run] > 1 {
			again += n - 1
		}
	}
	return again
}
