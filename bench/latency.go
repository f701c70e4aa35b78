package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

const (
	// recordsPerImage are an image's own layer and the results of its steps.
	recordsPerImage = 8
	// warmUp is how many small builds precede the removal.
	warmUp = 10
)

// latency measures what a small build has to wait while records are removed in the background.
func latency(ctx context.Context, b *bench) (report.Report, error) {
	images, rounds, idle := 250, 3, 10*time.Second
	if b.quick {
		images, rounds, idle = 40, 1, 3*time.Second
	}
	r := report.Report{
		Title: fmt.Sprintf("Latency: small builds while %d records are removed", images*recordsPerImage),
		Text: fmt.Sprintf("A daemon holds the cache of %d small images, %d records each. While they are removed, one small build follows"+
			" the other: a buildctl process that copies one changed file to an empty image. Counted is each of these builds that the removal"+
			" overlaps. Each removal begins from a copy of the same cache, in up to %d rounds; the latencies are those of all rounds, the"+
			" other figures medians.", images, recordsPerImage, rounds),
		Columns: []report.Column{
			{Key: "p50", Title: "build p50", Unit: report.Seconds},
			{Key: "p99", Title: "build p99", Unit: report.Seconds, Chart: true},
			{Key: "max", Title: "build max", Unit: report.Seconds, Chart: true},
			{Key: "duration", Title: "removal", Unit: report.Seconds, Chart: true},
			{Key: "longest", Title: "longest call", Unit: report.Seconds},
			{Key: "removed", Title: "removed", Unit: report.Count},
			{Key: "builds", Title: "builds meanwhile", Unit: report.Count},
		},
	}
	l := &latencyRun{bench: b, rows: map[string][]report.Row{}, latencies: map[string][]float64{}}
	if err := l.fill(ctx, images); err != nil {
		return r, err
	}
	removals := removalsOf(idle)
	if err := l.rounds(ctx, removals, rounds); err != nil {
		return r, err
	}
	for _, way := range removals {
		r.Rows = append(r.Rows, l.sum(way))
		r.Rounds = append(r.Rounds, l.rows[way.name]...)
		r.Commands = append(r.Commands, report.Command{Way: way.name, Line: way.line})
	}
	return r, nil
}

type latencyRun struct {
	*bench
	root      string                  // of the daemon that has the records
	rows      map[string][]report.Row // by the name of the removal
	latencies map[string][]float64    // in seconds, by the same
}

// fill makes the records once: images with a few steps each, whose cache stays in a root directory
// that no daemon uses then.
func (l *latencyRun) fill(ctx context.Context, images int) (err error) {
	work, err := l.dir("latency")
	if err != nil {
		return err
	}
	l.root = filepath.Join(work, "root")
	registry, err := lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	bases, err := lab.MakeBases(ctx, registry.Host(), lab.Shape{Instances: lab.Instances(1, images), OwnBytes: 100})
	if err != nil {
		return err
	}
	contextDir, err := writeSteps(filepath.Join(work, "steps"))
	if err != nil {
		return err
	}
	d, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{Root: l.root, Insecure: []string{registry.Host()}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	say("latency: making %d records", images*recordsPerImage)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, base := range bases {
		group.Go(func() error {
			return d.Build(ctx, lab.Build{Dir: contextDir, Args: map[string]string{"BASE_IMAGE": base.Ref}})
		})
	}
	return group.Wait()
}

// writeSteps writes a Dockerfile with as many steps as make up the records of an image, and its
// context: what an agent's image has, one file from the context and then commands.
func writeSteps(dir string) (string, error) {
	var text strings.Builder
	text.WriteString("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY agent.txt /\n")
	for i := range recordsPerImage - 2 {
		fmt.Fprintf(&text, "RUN echo %[1]d > /step%[1]d.txt\n", i)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.txt"), []byte("agent\n"), 0o644); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text.String()), 0o644)
}

// rounds measures each removal several times, in turns.
func (l *latencyRun) rounds(ctx context.Context, removals []removal, rounds int) error {
	order := slices.Clone(removals)
	for round := range rounds {
		for _, way := range order {
			if round > 0 && way.once {
				continue
			}
			if err := l.measure(ctx, way); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			values := l.rows[way.name][round].Values
			say("latency: round %d, %s: removed %.0f in %.1f s, longest build %.3f s", round+1, way.name,
				values["removed"], values["duration"], values["max"])
		}
		slices.Reverse(order)
	}
	return nil
}

// measure removes the records of a copy of the root in one way.
func (l *latencyRun) measure(ctx context.Context, way removal) (err error) {
	root := l.root + "-copy"
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if out, err := exec.CommandContext(ctx, "cp", "-a", l.root, root).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the root: %w: %s", err, out)
	}
	settle()
	d, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{Root: root})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	c, err := d.Client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	ids, err := recordIDs(ctx, c)
	if err != nil {
		return err
	}

	stream, err := startStream(ctx, d, filepath.Join(l.work, "latency", "probe"))
	if err != nil {
		return err
	}
	from := time.Now()
	longest, err := way.remove(ctx, d, c, ids)
	to := time.Now()
	probes, streamErr := stream.stop()
	if err := errors.Join(err, streamErr); err != nil {
		return err
	}
	left, err := recordIDs(ctx, c)
	if err != nil {
		return err
	}
	l.add(way, probes.within(from, to), to.Sub(from), longest, len(ids)-common(ids, left))
	return nil
}

func (l *latencyRun) add(way removal, latencies []float64, took, longest time.Duration, removed int) {
	values := map[string]float64{"builds": float64(len(latencies)), "removed": float64(removed)}
	addPercentiles(values, latencies)
	if !way.nothing {
		values["duration"], values["longest"] = took.Seconds(), longest.Seconds()
	}
	l.rows[way.name] = append(l.rows[way.name], report.Row{Way: way.name, Ours: way.ours, Values: values})
	l.latencies[way.name] = append(l.latencies[way.name], latencies...)
}

// sum is the row for all rounds of one removal.
func (l *latencyRun) sum(way removal) report.Row {
	row := report.Medians(l.rows[way.name])[0]
	addPercentiles(row.Values, l.latencies[way.name])
	row.Values["builds"] = float64(len(l.latencies[way.name]))
	return row
}

func addPercentiles(values map[string]float64, latencies []float64) {
	values["p50"] = report.Percentile(latencies, 50)
	values["p99"] = report.Percentile(latencies, 99)
	values["max"] = report.Percentile(latencies, 100)
}

// recordIDs are the ids of all records of the cache.
func recordIDs(ctx context.Context, c *client.Client) ([]string, error) {
	usage, err := c.DiskUsage(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(usage))
	for i, u := range usage {
		ids[i] = u.ID
	}
	return ids, nil
}

// common counts the strings of a that b has too.
func common(a, b []string) int {
	n := 0
	for _, s := range a {
		if slices.Contains(b, s) {
			n++
		}
	}
	return n
}
