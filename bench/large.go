package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"time"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/space"
)

// largePlan is a plan that is thought about and not built: jobs on one base image that have a first
// part of their steps in common with some others.
type largePlan struct {
	jobs, prefixes      int
	layers, common, own int // vertices of a job
	records             int // of the cache that is judged
	workers             int
}

// judgedRounds is how often a cache is judged, for a figure of one time.
const judgedRounds = 10

func largePlanOf(b *bench) largePlan {
	l := largePlan{jobs: 100_000, prefixes: 2000, layers: 2, common: 23, own: 7, records: 20_000, workers: 8}
	if b.quick {
		l.jobs, l.prefixes, l.records = l.jobs/10, l.prefixes/10, l.records/10
	}
	return l
}

// large measures what a plan of very many jobs takes of this process: no daemon is asked.
func large(_ context.Context, b *bench) (report.Report, error) { return largePlanOf(b).measure() }

func (l largePlan) measure() (report.Report, error) {
	r := report.Report{
		Title: fmt.Sprintf("Large: a plan of %d jobs", l.jobs),
		Text: fmt.Sprintf("%d jobs on one base image with %d steps each, of which the first %d are one of %d prefixes, in no order. Measured is what a"+
			" run makes of their graphs, one part after the other, and at last how long it takes to judge a cache of %d records halfway through"+
			" the plan. No daemon is asked. Memory is the most that was resident since the beginning.",
			l.jobs, l.common+l.own, l.common, l.prefixes, l.records),
		Columns: []report.Column{
			{Key: "wall", Title: "wall clock", Unit: report.Seconds, Chart: true},
			{Key: "cpu", Title: "processor time", Unit: report.Seconds},
			{Key: "memory", Title: "peak memory so far", Unit: report.Bytes, Chart: true},
		},
	}
	// What earlier benchmarks held is not on this one's bill.
	debug.FreeOSMemory()
	if err := forgetPeak(); err != nil {
		return r, err
	}
	var wall, cpu time.Duration
	add := func(name string, wall, cpu time.Duration) {
		r.Rows = append(r.Rows, report.Row{Way: name, Ours: true, Values: map[string]float64{
			"wall": wall.Seconds(), "cpu": cpu.Seconds(), "memory": float64(peakMemory(os.Getpid())),
		}})
	}
	part := func(name string, times int, do func()) {
		start, before := time.Now(), ownCPU()
		for range times {
			do()
		}
		took, used := time.Since(start), ownCPU()-before
		wall, cpu = wall+took, cpu+used
		add(name, took/time.Duration(times), used/time.Duration(times))
	}
	prefixes := l.prefixOf()
	needs := cache.NewNeeds(make([]cache.Job, l.jobs))
	part("graphs are made up and learned", 1, func() {
		for job := range l.jobs {
			needs.Learn(job, l.graph(prefixes[job], job))
		}
	})
	var order []int
	part("order", 1, func() { order = l.order(needs) })
	var forecast space.Forecast
	part("forecast", 1, func() { forecast = l.forecast(needs) })
	part("half of the jobs finish", 1, func() {
		for job := range l.jobs / 2 {
			needs.Finish(job)
		}
	})
	add("in all", wall, cpu)
	view := l.view(needs, func(place int) graph.Graph { return l.graph(prefixes[order[place]], order[place]) })
	var verdicts *cache.Report
	part(fmt.Sprintf("%d records judged", len(view.Records)), judgedRounds, func() { verdicts = cache.Classify(view) })
	t := verdicts.Totals()
	r.Notes = append(r.Notes,
		fmt.Sprintf("The forecast is of %d jobs with a peak of %s.", forecast.Jobs, report.Bytes.Format(float64(forecast.PeakBytes))),
		fmt.Sprintf("Of the records %d are live, %d dead and %d foreign.", t.Live.Records, t.Dead.Records, t.Foreign.Records))
	return r, nil
}

// forgetPeak has the kernel count this process's peak memory anew (clear_refs in proc(5)).
func forgetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// prefixOf is the prefix of each job, in no order.
func (l largePlan) prefixOf() []int {
	dice := rand.New(rand.NewPCG(1, 1))
	prefixes := make([]int, l.jobs)
	for job := range prefixes {
		prefixes[job] = job % l.prefixes
	}
	dice.Shuffle(len(prefixes), func(a, b int) { prefixes[a], prefixes[b] = prefixes[b], prefixes[a] })
	return prefixes
}

// graph is the base image's layers, the steps of a prefix, and the job's own.
func (l largePlan) graph(prefix, job int) graph.Graph {
	var digests []string
	for n := range l.layers {
		digests = append(digests, fmt.Sprint("sha256:layer-", n))
	}
	g := graph.Upon(graph.ImageLayers{Ref: "registry.example/base@" + baseDigest, Digest: baseDigest, Digests: digests})
	g.Vertices = g.Vertices[:l.layers] // without what stands for unknown steps
	for n := range l.common + l.own {
		who, name := prefix, "prefix"
		if n >= l.common {
			who, name = job, "task"
		}
		command := fmt.Sprintf("/bin/sh -c make -C /%s/%d step-%d", name, who, n)
		below := g.Vertices[len(g.Vertices)-1].ID
		g.Vertices = append(g.Vertices, graph.Vertex{
			ID: vertexID(n, who), Kind: graph.Step, Name: fmt.Sprintf("[%d/%d] RUN %s", n+1, l.common+l.own, command), Inputs: []graph.ID{below},
			Results: []graph.Result{{Description: "mount / from exec " + command, On: []graph.ID{below}}},
		})
	}
	return g
}

// baseDigest is that of the only base image.
const baseDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// vertexID makes up an identity.
func vertexID(step, who int) (id graph.ID) {
	dice := rand.New(rand.NewPCG(uint64(step), uint64(who)))
	for i := range id {
		id[i] = byte(dice.Uint32())
	}
	return id
}

// order puts the jobs into the order in which they would be built, and returns that.
func (l largePlan) order(needs *cache.Needs) []int {
	jobs := make([]int, l.jobs)
	for i := range jobs {
		jobs[i] = i
	}
	needs.Read(func(g *graph.Shared) { jobs = g.Order(jobs, nil, graph.Costs{Weight: func(int32) int64 { return mb }}) })
	needs.Renumber(jobs)
	return jobs
}

// forecast simulates the plan on a disk of 100 GB.
func (l largePlan) forecast(needs *cache.Needs) space.Forecast {
	sizes := space.NewSizes(space.Rates{Own: 100 * mb})
	p := space.Plan{Workers: l.workers, Sizes: sizes, Limit: space.Limit{Low: 70_000 * mb, High: 90_000 * mb}}
	needs.Read(func(g *graph.Shared) {
		sizes.Know(g)
		for job := range l.jobs {
			p.Jobs = append(p.Jobs, space.Job{Vertices: g.Path(job), Kind: "task"})
		}
	})
	return space.Simulate(p)
}

// view is a builder's cache halfway through the plan: the layers, and the records of the jobs
// around there.
func (l largePlan) view(needs *cache.Needs, graphAt func(place int) graph.Graph) cache.View {
	memory := cache.NewMemory(nil, nil, nil)
	view := cache.View{Needs: needs, Memory: memory, Owner: cache.Shared}
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	there := map[graph.ID]bool{}
	for job := l.jobs/2 - l.records/2/l.own; len(view.Records) < l.records; job++ {
		for _, v := range graphAt(job).Vertices {
			if there[v.ID] {
				continue
			}
			there[v.ID] = true
			made = made.Add(time.Second)
			record := cache.Record{ID: v.ID.String(), CreatedAt: made, Size: mb, Description: "pulled from " + v.Name}
			for _, on := range v.Inputs {
				record.Parents = append(record.Parents, on.String())
			}
			if v.Kind == graph.Step {
				record.Description = v.Results[0].Description
				memory.Made(cache.Making{Vertex: v.ID, Began: made, Done: made.Add(2 * time.Millisecond)})
			}
			view.Records = append(view.Records, record)
		}
	}
	return view
}
