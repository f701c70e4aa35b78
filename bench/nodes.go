package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

const (
	nodesWorkers = 4
	// nodesGoal is how many times as fast two nodes should be at the least.
	nodesGoal = 1.8
)

// nodesWays are on how many nodes the same is built.
var nodesWays = []int{1, 2}

func nodesName(count int) string {
	if count == 1 {
		return "stoker build, one node"
	}
	return fmt.Sprintf("stoker build, %d nodes", count)
}

// waitingDockerfile mostly waits, as steps do that download and test.
const waitingDockerfile = `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN sleep %d && head -c 100000 /dev/urandom > /own
`

// nodes compares a run on several nodes with one on one, where the work mostly waits: all nodes
// are on one machine, and would else have its processors to share.
func nodes(ctx context.Context, b *bench) (report.Report, error) {
	projects, each, sleep, rounds := 4, 10, 8, 3
	if b.quick {
		each, sleep, rounds = 4, 3, 1
	}
	r := report.Report{
		Title: fmt.Sprintf("Nodes: %d images that mostly wait", projects*each),
		Text: fmt.Sprintf("%d images of %d projects, of which each has a step that sleeps for %d s. Their base images share a layer, and"+
			" so do those of a project. %d builds run at once on each node; all nodes are on this machine. Each way has new daemons and"+
			" repositories in each of %d rounds, and they take turns at being first; the figures are medians.",
			projects*each, projects, sleep, nodesWorkers, rounds),
		Columns: []report.Column{
			{Key: "wall", Title: "wall clock", Unit: report.Seconds, Chart: true},
			{Key: "fastest", Title: "the fastest round", Unit: report.Seconds},
			{Key: "slowest", Title: "the slowest round", Unit: report.Seconds},
			{Key: "speed", Title: "times as fast as one node", Unit: report.Ratio, Chart: true},
			{Key: "layers", Title: "layers of base images", Unit: report.Count},
			{Key: "again", Title: "of these pulled by both nodes", Unit: report.Count},
			{Key: "cpu", Title: "processor time", Unit: report.Seconds},
		},
	}
	n, err := newNodesRun(ctx, b, lab.Shape{Instances: lab.Instances(projects, each), OSBytes: 8 * mb, EnvBytes: 4 * mb, OwnBytes: 10_000}, sleep)
	if err != nil {
		return r, err
	}
	if err := errors.Join(n.rounds(ctx, rounds), n.registry.Close()); err != nil {
		return r, err
	}
	r.Rounds, r.Rows = n.rows, report.Medians(n.rows)
	compareNodes(r.Rows, r.Rounds)
	for _, count := range nodesWays {
		line := commandLine("stoker", standIn(nodesWorkers).stokerArgs(slices.Repeat([]string{"--builder", "ANOTHER"}, count-1)...))
		r.Commands = append(r.Commands, report.Command{Way: nodesName(count), Line: line})
	}
	r.Notes = append(r.Notes, fmt.Sprintf("The goal for two nodes is %.1f times as fast as one.", nodesGoal))
	return r, nil
}

// compareNodes adds to each row the shortest and the longest of its rounds, and its speed beside
// the first row's.
func compareNodes(rows, rounds []report.Row) {
	for _, row := range rows {
		var walls []float64
		for _, round := range rounds {
			if round.Way == row.Way {
				walls = append(walls, round.Values["wall"])
			}
		}
		row.Values["fastest"], row.Values["slowest"] = slices.Min(walls), slices.Max(walls)
		row.Values["speed"] = rows[0].Values["wall"] / row.Values["wall"]
	}
}

type nodesRun struct {
	*bench
	registry   *lab.Registry
	bases      []lab.Base
	contextDir string
	rows       []report.Row
}

func newNodesRun(ctx context.Context, b *bench, shape lab.Shape, sleep int) (*nodesRun, error) {
	n := &nodesRun{bench: b}
	var err error
	if n.contextDir, err = b.dir("nodes", "context"); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(waitingDockerfile, sleep)
	if err := os.WriteFile(filepath.Join(n.contextDir, "Dockerfile"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	if n.registry, err = lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true}); err != nil {
		return nil, err
	}
	if n.bases, err = lab.MakeBases(ctx, n.registry.Host(), shape); err != nil {
		return nil, errors.Join(err, n.registry.Close())
	}
	return n, nil
}

// rounds lets each way build everything several times.
func (n *nodesRun) rounds(ctx context.Context, rounds int) (err error) {
	n.rows, err = inTurns("nodes", nodesWays, rounds, nodesName, func(count, round int) (report.Row, error) {
		return n.measure(ctx, count, fmt.Sprintf("%d-%d", count, round))
	})
	return err
}

// measure builds everything once on so many new nodes, into repositories of its own.
func (n *nodesRun) measure(ctx context.Context, count int, dir string) (row report.Row, err error) {
	settle()
	var daemons []*lab.Buildkitd
	defer func() {
		for _, d := range daemons {
			err = errors.Join(err, d.Close())
		}
	}()
	var others []string
	for i := range count {
		d, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{Insecure: []string{n.registry.Host()}})
		if err != nil {
			return row, err
		}
		daemons = append(daemons, d)
		if i > 0 {
			others = append(others, "--builder", d.Addr())
		}
	}
	work, err := n.dir("nodes", dir)
	if err != nil {
		return row, err
	}
	repo := "nodes/" + dir
	p := plan{
		address: daemons[0].Addr(), contextDir: n.contextDir, workDir: work, workers: nodesWorkers,
		jobs: jobsOf(n.bases, n.registry.Host(), repo), tag: n.registry.Host() + "/" + repo + "/{{.Name}}:1",
	}
	n.registry.Reset()
	ctx, cancel := context.WithTimeout(ctx, wayLimit)
	defer cancel()
	out, err := p.stoker(ctx, n.stoker, others...)
	if err != nil {
		return row, err
	}
	if built := builtIn(n.registry, p.jobs); built < len(p.jobs) {
		return row, fmt.Errorf("built %d of %d: %s", built, len(p.jobs), out.failureText())
	}
	layers, again := pulls(n.bases, n.registry.Requests().BlobGets)
	row = report.Row{Way: nodesName(count), Ours: true, Values: map[string]float64{
		"wall": out.wall.Seconds(), "cpu": out.cpu.Seconds(), "layers": float64(layers), "again": float64(again),
	}}
	for _, d := range daemons {
		used, err := daemonCPU(d)
		if err != nil {
			return row, err
		}
		row.Values["cpu"] += used.Seconds()
	}
	return row, nil
}

// pulls counts the layers that base images consist of, and those of them that were pulled more
// than once.
func pulls(bases []lab.Base, gets map[string]int) (layers, again int) {
	seen := map[string]bool{}
	for _, base := range bases {
		for _, l := range base.Layers {
			if seen[l.Digest] {
				continue
			}
			seen[l.Digest] = true
			layers++
			if gets[l.Digest] > 1 {
				again++
			}
		}
	}
	return layers, again
}
