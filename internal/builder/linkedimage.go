package builder

import (
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	epochtypes "github.com/moby/buildkit/exporter/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/stoker-build/stoker/internal/graph"
)

// linkedOf completes how the image of a frontend's answer is made by what the answer tells
// beside its graph. Only an image for one platform, with nothing attached, is one alone.
func linkedOf(res *gateway.Result, g graph.Graph) (linked *graph.Linked, why string) {
	switch {
	case len(res.Refs) > 0:
		return nil, "it is for several platforms"
	case len(res.Attestations) > 0:
		return nil, "attestations are attached to it"
	case g.Linked == nil:
		return nil, g.Unlinked
	}
	ps, err := exptypes.ParsePlatforms(res.Metadata)
	if err != nil || len(ps.Platforms) != 1 {
		return nil, "its platform is not known"
	}
	p := &ps.Platforms[0]
	for key := range res.Metadata {
		if _, annotates, err := exptypes.ParseAnnotationKey(key); annotates || err != nil {
			return nil, "the frontend annotates it"
		}
	}
	g.Linked.Frontend = graph.Frontend{
		Config:     exptypes.ParseKey(res.Metadata, exptypes.ExporterImageConfigKey, p),
		BaseConfig: exptypes.ParseKey(res.Metadata, exptypes.ExporterImageBaseConfigKey, p),
		Epoch:      string(exptypes.ParseKey(res.Metadata, epochtypes.ExporterEpochKey, p)),
	}
	if len(g.Linked.Frontend.Config) == 0 {
		return nil, "the frontend does not tell its configuration"
	}
	return g.Linked, ""
}
