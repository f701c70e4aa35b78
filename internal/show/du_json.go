package show

import (
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// UsageJSON is a node in what stoker du --format json writes, which the command's
// help describes. Fields may be added, none changed.
type UsageJSON struct {
	Node   string          `json:"node"`
	Total  TotalJSON       `json:"total"`
	Layers []LayerJSON     `json:"layers"`
	Other  []KindUsageJSON `json:"other"`
}

// LayerJSON is a layer with all that stands on it.
type LayerJSON struct {
	Image  string      `json:"image"`
	ID     string      `json:"id"`
	Bytes  int64       `json:"bytes"`
	State  string      `json:"state,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Steps  SumJSON     `json:"steps"`
	Total  TotalJSON   `json:"total"`
	Layers []LayerJSON `json:"layers"`
}

// KindUsageJSON is the records of one kind that hang on no layer.
type KindUsageJSON struct {
	Kind  string    `json:"kind"`
	Total TotalJSON `json:"total"`
}

// TotalJSON is the size and the use of records; their states only for a plan.
type TotalJSON struct {
	SumJSON
	InUse    int        `json:"in_use"`
	LastUsed *time.Time `json:"last_used"`
	States   *BytesJSON `json:"states,omitempty"`
}

// BytesJSON is bytes by state.
type BytesJSON struct {
	Live    int64 `json:"live"`
	Dead    int64 `json:"dead"`
	Foreign int64 `json:"foreign"`
}

// JSON returns for programs what the table shows people.
func (u Usage) JSON() UsageJSON {
	bytes, use := u.Tree.Total()
	out := UsageJSON{
		Node: u.Node, Total: u.totalJSON(bytes, use),
		Layers: u.layersJSON(u.Tree.Layers), Other: []KindUsageJSON{},
	}
	for _, k := range u.Tree.Kinds {
		out.Other = append(out.Other, KindUsageJSON{k.Name, u.totalJSON(k.Total, k.Use)})
	}
	return out
}

func (u Usage) layersJSON(branches []*cache.Branch) []LayerJSON {
	list := []LayerJSON{}
	for _, b := range branches {
		l := LayerJSON{
			Image: b.Ref, ID: b.Record.ID, Bytes: b.Record.Size, Steps: SumJSON(b.Steps),
			Total: u.totalJSON(b.Total, b.Use), Layers: u.layersJSON(b.Layers),
		}
		if u.Plan {
			l.State, l.Reason = b.Verdict.State.String(), b.Verdict.Reason.String()
		}
		list = append(list, l)
	}
	return list
}

func (u Usage) totalJSON(bytes cache.Bytes, use cache.Use) TotalJSON {
	t := TotalJSON{SumJSON: SumJSON{use.Records, bytes.Sum()}, InUse: use.InUse}
	if !use.Last.IsZero() {
		t.LastUsed = &use.Last
	}
	if u.Plan {
		t.States = &BytesJSON{bytes.Live, bytes.Dead, bytes.Foreign}
	}
	return t
}
