package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/confutil"
	"github.com/moby/buildkit/frontend/subrequests/lint"

	"github.com/stoker-build/stoker/internal/plan"
)

// How long the check of one job may take: a frontend's image may have to be pulled.
const checkTimeout = 2 * time.Minute

// Check has the job's own frontend say what is wrong or doubtful about its
// Dockerfile, as docker buildx build --check does. Nothing is built.
func (b *Builder) Check(ctx context.Context, job *plan.Job) (results lint.LintResults, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("the builder did not answer within %s", checkTimeout))
	defer cancel()
	progress := newProgress(io.Discard, Watch{}.whole())
	defer progress.close()
	o := job.BuildOptions()
	o.CallFunc = &build.CallFunc{Name: "lint"}
	o.Exports, o.CacheFrom, o.CacheTo = nil, nil, nil
	o.ProvenanceResponseMode = confutil.MetadataProvenanceModeDisabled
	response, err := build.Build(ctx, b.bxNodes(), map[string]build.Options{target: b.options(o)}, b.docker(), b.config, progress, nil)
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return results, context.Cause(ctx)
	case err != nil:
		return results, err
	}
	return results, json.Unmarshal([]byte(response[target].ExporterResponse["result.json"]), &results)
}
