package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

const (
	mb = 1_000_000

	// wayLimit is how long one way may take.
	wayLimit = 30 * time.Minute
	// diskInterval is how often the disk is looked at.
	diskInterval = 20 * time.Millisecond
)

// contest is work that each of several ways does on parts of its own: a new disk, daemon and
// registry.
type contest struct {
	name string
	jobs int
	// small and unlimited are the sizes of the disks.
	small, unlimited int64
	// rounds is how often each way does the work; 0 stands for once.
	rounds int
	// use keeps how the use of the disk went.
	use bool
	// onDisk keeps the registry out of memory, since more is pushed to it than fits there.
	onDisk bool
	// prepare makes what is built and the plan, in an empty directory.
	prepare func(ctx context.Context, registry *lab.Registry, dir string, w way) (plan, error)
	// examine, if set, adds to a way's values when it has done the work.
	examine func(p plan, w way, values map[string]float64) error
}

// way is one way to do the work.
type way struct {
	name      string
	ours      bool
	unlimited bool // on a disk that is large enough for everything
	linked    bool // the Dockerfile copies with --link, where the work has two
	part      int  // how many of the images are made, where making all takes too long; 0 stands for all
	workers   int
	syntax    string // the frontend's image in the Dockerfiles' first line; empty for no such line
	against   string // the way whose wall clock this one's is compared to; empty for none
	daemon    lab.BuildkitdOptions
	line      string // how it is run
	build     func(context.Context, *bench, *lab.Buildkitd, plan) (outcome, error)
}

// contestColumns are what is measured of every way.
func contestColumns(jobs int) []report.Column {
	return []report.Column{
		{Key: "built", Title: fmt.Sprintf("built of %d", jobs), Unit: report.Count, Chart: true},
		{Key: "wall", Title: "wall clock", Unit: report.Seconds, Chart: true},
		{Key: "cpu", Title: "processor time", Unit: report.Seconds},
		{Key: "disk", Title: "peak disk", Unit: report.Bytes, Chart: true},
		{Key: "pulled", Title: "pulled", Unit: report.Bytes},
		{Key: "pushed", Title: "pushed", Unit: report.Bytes},
	}
}

// compare lets each way do the work, in as many rounds as the contest has. The way that goes first
// goes last in the next round.
func (c contest) compare(ctx context.Context, b *bench, ways []way) (report.Report, error) {
	r := report.Report{Columns: contestColumns(c.jobs)}
	turns := slices.Clone(ways)
	rows := map[string][]report.Row{}
	for round := range max(c.rounds, 1) {
		for _, w := range turns {
			dir, err := b.dir(c.name, fmt.Sprintf("%d-%d", round+1, slices.IndexFunc(ways, func(o way) bool { return o.name == w.name })+1))
			if err != nil {
				return r, err
			}
			row, note, err := c.measure(ctx, b, w, dir)
			if err != nil {
				return r, fmt.Errorf("%s: %w", w.name, err)
			}
			say("%s: round %d, %s: built %.0f of %d in %.1f s, peak disk %s", c.name, round+1, w.name, row.Values["built"],
				cmp.Or(w.part, c.jobs), row.Values["wall"], report.Bytes.Format(row.Values["disk"]))
			rows[w.name] = append(rows[w.name], row)
			if note != "" {
				r.Notes = append(r.Notes, w.name+": "+note)
			}
		}
		slices.Reverse(turns)
	}
	for _, w := range ways {
		r.Rows = append(r.Rows, report.Medians(rows[w.name])...)
		if c.rounds > 1 {
			r.Rounds = append(r.Rounds, rows[w.name]...)
		}
		r.Commands = append(r.Commands, report.Command{Way: w.name, Line: w.line})
	}
	compareWalls(r.Rows, ways)
	return r, nil
}

// compareWalls adds the ratio of wall clocks to the rows of those ways that are compared to another.
func compareWalls(rows []report.Row, ways []way) {
	wall := map[string]float64{}
	for _, row := range rows {
		wall[row.Way] = row.Values["wall"]
	}
	for i, w := range ways {
		if other := wall[w.against]; other > 0 {
			rows[i].Values["ratio"] = wall[w.name] / other
		}
	}
}

// measure lets one way do the work on parts of its own, with what it reads and writes in an empty
// directory. The note says what went wrong.
func (c contest) measure(ctx context.Context, b *bench, w way, dir string) (row report.Row, note string, err error) {
	registry, err := lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: !c.onDisk})
	if err != nil {
		return row, "", err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	p, err := c.prepare(ctx, registry, dir, w)
	if err != nil {
		return row, "", err
	}
	size := c.small
	if w.unlimited {
		size = c.unlimited
	}
	disk, err := lab.NewDisk(size)
	if err != nil {
		return row, "", err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	options := w.daemon
	options.Root, options.Insecure = filepath.Join(disk.Path(), "buildkit"), []string{registry.Host()}
	if w.syntax != "" {
		if err := lab.PushFrontends(ctx, registry.Host()); err != nil {
			return row, "", err
		}
		options.Upstreams = lab.Mirrored(registry.Host(), "docker.io")
	}
	settle()
	d, err := lab.StartBuildkitd(ctx, options)
	if err != nil {
		return row, "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	p.address, p.workers = d.Addr(), w.workers

	registry.Reset()
	watched := disk.Watch(ctx, diskInterval)
	out, note, err := w.do(ctx, b, d, p)
	if err != nil {
		return row, "", err
	}
	uses := watched()
	_, capacity, err := disk.Usage()
	if err != nil {
		return row, "", err
	}
	daemon, err := daemonCPU(d)
	if err != nil {
		return row, "", err
	}
	requests, built := registry.Requests(), builtIn(registry, p.jobs)
	row = report.Row{Way: w.name, Ours: w.ours, Values: map[string]float64{
		"built": float64(built), "wall": out.wall.Seconds(), "cpu": (out.cpu + daemon).Seconds(), "disk": float64(lab.Peak(uses)),
		"pulled": float64(requests.BytesOut), "pushed": float64(requests.BytesIn),
	}}
	if built < len(p.jobs) {
		row.Short = fmt.Sprintf("built %d of %d", built, len(p.jobs))
	}
	if c.use {
		row.Values["capacity"] = float64(capacity)
		row.Use = report.Thin(moments(uses, out.wall))
	}
	if c.examine != nil {
		err = c.examine(p, w, row.Values)
	}
	return row, note, err
}

// moments are those of a watch until the work was done.
func moments(uses []lab.Use, wall time.Duration) []report.Moment {
	var all []report.Moment
	for _, use := range uses {
		if use.After <= wall {
			all = append(all, report.Moment{Seconds: use.After.Seconds(), Bytes: float64(use.Bytes)})
		}
	}
	return all
}

// do lets the way do the work, for as long as it may take. What the way itself fails at goes into
// the note; the error is of those that end the benchmark.
func (w way) do(ctx context.Context, b *bench, d *lab.Buildkitd, p plan) (out outcome, note string, err error) {
	limited, cancel := context.WithTimeout(ctx, wayLimit)
	defer cancel()
	start := time.Now()
	out, err = w.build(limited, b, d, p)
	switch {
	case ctx.Err() != nil:
		return out, "", ctx.Err()
	case limited.Err() != nil:
		note = fmt.Sprintf("stopped after %s", wayLimit)
	case err != nil:
		note = err.Error()
	case len(out.failures) > 0:
		note = "failed " + out.failureText()
	}
	if out.wall == 0 {
		out.wall = time.Since(start)
	}
	return out, note, nil
}
