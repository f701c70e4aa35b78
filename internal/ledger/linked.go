package ledger

import (
	"cmp"

	"github.com/stoker-build/stoker/internal/graph"
)

// LinkedUpon returns what steps have laid upon images without standing on them, as COPY --link
// does, and the merges of these with the images: vertices by the references of the images, without
// digests. A record of such a step hangs on no layer, so that only its making tells whose it is.
func LinkedUpon(steps []Step) map[string][]graph.Vertex {
	l := links{steps: make(map[graph.ID]*Step, len(steps)), merged: map[graph.ID][]graph.ID{}, seen: map[added]bool{}, upon: map[string][]graph.Vertex{}}
	for i := range steps {
		id, err := graph.ParseID(steps[i].ID)
		if err != nil {
			continue
		}
		l.steps[id] = &steps[i]
		if steps[i].Op == string(graph.Merge) {
			l.merge(id, &steps[i])
		}
	}
	return l.upon
}

// links are the merges among steps, of which each comes after those that it is made from.
type links struct {
	steps  map[graph.ID]*Step
	merged map[graph.ID][]graph.ID // what the records of merges stand on
	seen   map[added]bool
	upon   map[string][]graph.Vertex
}

// added is a vertex that is known for an image.
type added struct {
	image string
	id    graph.ID
}

// merge adds a merge with what it lays upon an image. Its record stands on what the records
// of merges among that stand on.
func (l *links) merge(id graph.ID, s *Step) {
	var on []graph.ID
	for _, text := range s.On {
		below, err := graph.ParseID(text)
		if err != nil {
			return
		}
		if parts, is := l.merged[below]; is {
			on = append(on, parts...)
		} else {
			on = append(on, below)
		}
	}
	base, known := l.base(on)
	if !known {
		return
	}
	l.merged[id] = on
	image := l.steps[base].Text
	l.add(image, graph.Vertex{ID: base, Kind: graph.Layer, Name: image}, graph.AnythingUpon(base))
	if on[0] != base {
		l.add(image, graph.Vertex{ID: on[0], Kind: graph.Step, Name: l.steps[on[0]].Called(), Inputs: []graph.ID{base}}, graph.AnythingUpon(on[0]))
	}
	for _, laid := range on[1:] {
		if step := l.steps[laid]; step != nil && step.Kind == StepRun {
			l.add(image, graph.Vertex{ID: laid, Kind: graph.Step, Name: step.Called(), Results: []graph.Result{{Description: step.Called()}}})
		}
	}
	l.add(image, graph.Vertex{ID: id, Kind: graph.Step, Name: s.Called(), Inputs: on, Results: []graph.Result{{Description: s.Called(), On: on}}}, graph.AnythingUpon(id))
}

// base is the topmost layer of the image that the first of some vertices stands on.
func (l *links) base(on []graph.ID) (base graph.ID, known bool) {
	if len(on) == 0 {
		return base, false
	}
	for base = on[0]; ; {
		s := l.steps[base]
		switch {
		case s == nil:
			return base, false
		case s.Kind == StepBase:
			return base, true
		case len(s.On) == 0:
			return base, false
		}
		below, err := graph.ParseID(s.On[0])
		if err != nil {
			return base, false
		}
		base = below
	}
}

func (l *links) add(image string, vertices ...graph.Vertex) {
	for _, v := range vertices {
		if key := (added{image, v.ID}); !l.seen[key] {
			l.seen[key] = true
			l.upon[image] = append(l.upon[image], v)
		}
	}
}

// Called is what the builder calls the step.
func (s *Step) Called() string { return cmp.Or(s.LinkedAs, s.Text) }
