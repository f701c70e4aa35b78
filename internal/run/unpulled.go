package run

import (
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plan"
)

// unpulled are the layers in a job's graph that are never pulled for it: nothing reads their
// files, and its image is only pushed to the registries that they are in.
func unpulled(job *plan.Job, g *graph.Graph) []graph.ID {
	if !job.PushesOnly() || len(job.Tags) == 0 || job.Options.Attests["sbom"] != nil || len(job.Options.CacheTo) > 0 {
		return nil
	}
	layers := g.Unpulled()
	for i := range g.Images {
		image := &g.Images[i]
		elsewhere := slices.ContainsFunc(job.Tags, func(tag string) bool { return imageref.HostOf(tag) != imageref.HostOf(image.Ref) })
		if elsewhere { // what no registry can take over is fetched
			layers = slices.DeleteFunc(layers, func(id graph.ID) bool { return slices.Contains(image.Layers, id) })
		}
	}
	return layers
}
