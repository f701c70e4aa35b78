package builder

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// Result is what a build left behind.
type Result struct {
	// Digest is that of the image's manifest or index; empty when the build
	// made no image.
	Digest string
	// Node is the name of the node that built it.
	Node string
	// Steps are the names of the Dockerfile steps that were done or found in
	// the cache.
	Steps []string
	ledger.Timings
}

// The name of the only target of each build, as in docker buildx build.
const target = "default"

// Watch says how an attempt is made and who is told of it. Its functions are
// called while the build waits.
type Watch struct {
	NoCache bool              // the attempt must not use the cache
	Step    func(name string) // a step begins
	Alive   func()            // BuildKit reported any progress
}

// atMost bounds the timings by what the attempt took, by the monotonic clock:
// the daemon tells times of day, and its clock may have been set meanwhile.
func (r *Result) atMost(took time.Duration) {
	most := float64(took.Milliseconds()) / 1000
	for _, t := range []*float64{&r.ContextSeconds, &r.CacheImportSeconds, &r.ExportSeconds, &r.PushSeconds} {
		*t = min(*t, most)
	}
}

// unnamedFileStep is what docker's builder up to 20.10 says of the result of every
// COPY, ADD and WORKDIR (measured). Later ones say the name of the step.
const unnamedFileStep = "fileop target"

// isFileStep tells by a step's name, such as "[stage-1 2/3] COPY a b", whether it
// is a file operation.
func isFileStep(name string) bool {
	_, what, ok := strings.Cut(name, "] ")
	instruction, _, _ := strings.Cut(what, " ")
	return ok && slices.Contains([]string{"COPY", "ADD", "WORKDIR"}, instruction)
}

// Build makes one attempt at a job. It writes BuildKit's own plain progress to
// log. The result holds the timings also when the build fails.
func (b *Builder) Build(ctx context.Context, job *plan.Job, log io.Writer, watch Watch) (Result, error) {
	progress := newProgress(log, watch)
	o := job.BuildOptions()
	o.NoCache = o.NoCache || watch.NoCache
	options := map[string]build.Options{target: b.options(o)}
	if b.pushed != nil {
		b.pushed.before(ctx, job)
	}
	start := time.Now()
	response, err := build.Build(ctx, b.nodes, options, b.docker(), b.config, progress, nil)
	result := Result{Node: b.nodes[0].Name}
	result.Timings, result.Steps = progress.close()
	if b.pushed != nil && slices.ContainsFunc(result.Steps, isFileStep) {
		result.Steps = append(result.Steps, unnamedFileStep)
	}
	result.atMost(time.Since(start))
	if err != nil {
		if progress.stepFoundDiskFull() && !noSpace.MatchString(err.Error()) {
			err = fmt.Errorf("%w (its output says: no space left on device)", err)
		}
		return result, err
	}
	if b.pushed != nil {
		b.pushed.built(job, response[target].ExporterResponse)
	}
	result.Digest = response[target].ExporterResponse[exptypes.ExporterImageDigestKey]
	return result, nil
}
