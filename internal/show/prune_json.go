package show

import (
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/prune"
)

// PruneJSON is what stoker prune --format json writes, which the command's help
// describes. Fields may be added, none changed.
type PruneJSON struct {
	DryRun bool            `json:"dry_run"`
	Nodes  []NodePruneJSON `json:"nodes"`
}

// NodePruneJSON is the plan for a node, and what came of it.
type NodePruneJSON struct {
	Node            string           `json:"node"`
	Images          []ImagePruneJSON `json:"images"`
	Shared          ShareJSON        `json:"shared"`
	Remove          SumJSON          `json:"remove"`
	Removed         *SumJSON         `json:"removed"`
	Refused         *SumJSON         `json:"refused"`
	DurationSeconds float64          `json:"duration_seconds"`
	Error           string           `json:"error,omitempty"`
}

// ImagePruneJSON is the plan for what is of no other given image.
type ImagePruneJSON struct {
	Image string `json:"image"`
	ShareJSON
	Problem string `json:"problem,omitempty"`
}

// ShareJSON is a cache.Share.
type ShareJSON struct {
	SumJSON
	Remove SumJSON    `json:"remove"`
	Keep   []KeptJSON `json:"keep"`
}

// KeptJSON is a cache.Kept.
type KeptJSON struct {
	SumJSON
	Why string `json:"why"`
}

// SumJSON is a cache.Sum.
type SumJSON struct {
	Records int   `json:"records"`
	Bytes   int64 `json:"bytes"`
}

// PruneJSONOf returns a plan and what came of it for programs.
func PruneJSONOf(p prune.Plan, o prune.Outcome, dryRun bool) PruneJSON {
	out := PruneJSON{DryRun: dryRun, Nodes: []NodePruneJSON{}}
	for i, n := range p {
		out.Nodes = append(out.Nodes, nodePruneJSON(n, o.Of(i)))
	}
	return out
}

func nodePruneJSON(n prune.NodePlan, done *prune.Done) NodePruneJSON {
	out := NodePruneJSON{Node: n.Node, Images: []ImagePruneJSON{}, Shared: shareJSON(n.Shared), Remove: SumJSON(n.Remove)}
	for _, i := range n.Images {
		image := ImagePruneJSON{Image: i.Ref, ShareJSON: shareJSON(i.Share)}
		if i.Problem != nil {
			image.Problem = i.Problem.Error()
		}
		out.Images = append(out.Images, image)
	}
	if done == nil {
		return out
	}
	removed, refused := SumJSON(done.Removed), SumJSON(done.Refused)
	out.Removed, out.Refused, out.DurationSeconds = &removed, &refused, done.Duration.Seconds()
	if err := done.Problem(); err != nil {
		out.Error = err.Error()
	}
	return out
}

func shareJSON(s cache.Share) ShareJSON {
	out := ShareJSON{SumJSON: SumJSON(s.All), Remove: SumJSON(s.Remove), Keep: []KeptJSON{}}
	for _, k := range s.Keep {
		out.Keep = append(out.Keep, KeptJSON{SumJSON(k.Sum), k.Why})
	}
	return out
}
