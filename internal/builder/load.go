package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	buildxbuilder "github.com/docker/buildx/builder"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/plan"
)

// CanLoad returns an error when jobs are to put their images into docker, and no
// docker answers that could take them.
func (b *Builder) CanLoad(ctx context.Context, jobs []*plan.Job) error {
	if slices.ContainsFunc(b.bxNodes(), func(n buildxbuilder.Node) bool { return n.Driver.IsMobyDriver() }) {
		return nil // it is docker's own, and has answered
	}
	asked := map[string]bool{} // by the docker context, which each output may name
	for _, j := range jobs {
		for _, e := range j.Options.Exports {
			if e.Type == client.ExporterDocker && e.Output == nil {
				asked[e.Attrs["context"]] = true
			}
		}
	}
	for name := range asked {
		if err := b.dockerAnswers(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (b *Builder) dockerAnswers(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, reachTimeout, errors.New("it does not answer"))
	defer cancel()
	if _, err := b.docker().Features(ctx, name); err != nil {
		return fmt.Errorf("images cannot be loaded into docker: %s\n"+
			"--load and -o type=docker put images into the docker of this machine: start it, or use --push, "+
			"or -o type=docker,dest=FILE for files", reason(err))
	}
	return nil
}
