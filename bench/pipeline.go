package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

const (
	// slowDelay and slowSpeed are how a public registry serves a layer: after so long, and so
	// many bytes in a second of each.
	slowDelay = 150 * time.Millisecond
	slowSpeed = 15 * mb
	// pipelineSleep is how long a step waits, in seconds, as those do that download.
	pipelineSleep = 1
)

// pipelineWorkers are how many builds run at once.
var pipelineWorkers = []int{4, 8}

// pipelineDockerfile waits, works and writes.
const pipelineDockerfile = `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN sleep %d && head -c 10000000 /dev/urandom > /own && md5sum /own > /sum
`

// pipeline compares runs that pull the next jobs' layers while others build with runs that do
// not, from a slow registry.
func pipeline(ctx context.Context, b *bench) (report.Report, error) {
	projects, each, rounds := 4, 12, 3
	if b.quick {
		each, rounds = 5, 1
	}
	jobs := projects * each
	c := contest{name: "pipeline", jobs: jobs, unlimited: 16_000 * mb, rounds: rounds, prepare: preparePipeline(projects, each),
		examine: func(p plan, _ way, values map[string]float64) error {
			s, err := p.summary()
			if err == nil && s.Phases == nil {
				err = errors.New("the run does not tell where its time went")
			}
			if err == nil {
				values["pulling"] = s.Phases.Pull
			}
			return err
		}}
	var ways []way
	for _, n := range pipelineWorkers {
		without := stokerWay(fmt.Sprintf("stoker build --workers %d --pull-ahead=false", n), n, "--pull-ahead=false")
		with := stokerWay(fmt.Sprintf("stoker build --workers %d", n), n)
		with.against = without.name
		without.unlimited, with.unlimited = true, true
		ways = append(ways, without, with)
	}
	r, err := c.compare(ctx, b, ways)
	r.Title = fmt.Sprintf("Pipeline: %d images from a slow registry", jobs)
	r.Text = fmt.Sprintf("%d images of %d projects. Their base images share a layer of 40 MB, those of a project one of 20 MB, and each has 30 MB of its own; each build"+
		" waits for %d s and adds 10 MB. The registry begins to serve a layer after %s, and then serves %s of it in a second; what is pushed is not slowed."+
		" Each way has a new disk, daemon and registry in each of %d rounds, and they take turns at being first; the figures are medians.",
		jobs, projects, pipelineSleep, slowDelay, report.Bytes.Format(slowSpeed), rounds)
	r.Columns = append(r.Columns,
		report.Column{Key: "pulling", Title: "jobs that pull, together", Unit: report.Seconds},
		report.Column{Key: "ratio", Title: "wall clock to without", Unit: report.Ratio})
	return r, err
}

func preparePipeline(projects, each int) func(context.Context, *lab.Registry, string, way) (plan, error) {
	return func(ctx context.Context, registry *lab.Registry, dir string, _ way) (plan, error) {
		shape := lab.Shape{Instances: lab.Instances(projects, each), OSBytes: 40 * mb, EnvBytes: 20 * mb, OwnBytes: 30 * mb}
		bases, err := lab.MakeBases(ctx, registry.Host(), shape)
		if err != nil {
			return plan{}, err
		}
		registry.Inject(lab.Fault{Kind: lab.KindBlob, Method: http.MethodGet, Delay: slowDelay, BytesPerSecond: slowSpeed})
		contextDir := filepath.Join(dir, "context")
		if err := os.MkdirAll(contextDir, 0o755); err != nil {
			return plan{}, err
		}
		return plan{contextDir: contextDir, workDir: dir, jobs: jobsOf(bases, registry.Host(), "pipeline"), tag: registry.Host() + "/pipeline/{{.Name}}:1"},
			os.WriteFile(filepath.Join(contextDir, "Dockerfile"), fmt.Appendf(nil, pipelineDockerfile, pipelineSleep), 0o644)
	}
}
