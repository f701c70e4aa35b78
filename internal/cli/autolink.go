package cli

import (
	"context"
	"slices"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/autolink"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
)

// linker links steps of jobs, where it is to; nil where not.
func (o buildOptions) linker(p *plan.Plan, b *builder.Builder, c *registry.Client) func(context.Context, []*plan.Job) []autolink.Step {
	if !o.run.autoLink {
		return nil
	}
	return autolink.Linker{Plan: p, Builder: b, Registry: c, Platform: platformOf(b)}.Link
}

// platformOf is the platform for which all nodes of a builder build by default; nil where
// they differ, or not all are known.
func platformOf(b *builder.Builder) *ocispecs.Platform {
	var all []string
	for _, n := range b.Nodes() {
		all = append(all, platforms.FormatAll(n.Platform()))
	}
	if len(b.Late()) > 0 || len(slices.Compact(all)) != 1 {
		return nil
	}
	p := b.Nodes()[0].Platform()
	return &p
}
