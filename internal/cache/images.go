package cache

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

// Image is a base image that a person names, without the jobs that build on it.
type Image struct {
	Ref string
	// Chains are what the reference stands for and, where its tag has moved,
	// what it stood for when the builder pulled it. It is empty where nothing is
	// known of the image.
	Chains []graph.ImageLayers
	// Linked is what a run is known to have laid upon it by COPY --link: that hangs on no
	// layer of it.
	Linked []graph.Vertex
	// Needed says that a job is still to build on it.
	Needed bool
}

// Name is what a pulled layer is named after: the image that pulled it first.
type Name struct {
	Ref    string
	Digest digest.Digest
}

// Names returns what the records are named after, each name once, in the order
// of the records.
func Names(records []Record) []Name {
	var names []Name
	seen := map[Name]bool{}
	for _, rec := range records {
		ref, d, ok := pulledName(rec.Description)
		if n := (Name{ref, d}); ok && !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return names
}

// Strangers returns what layers are named after, with a digest, and no image of the
// jobs is, each name once, those with the largest layers first.
func (n *Needs) Strangers(records []Record) []Name {
	n.mu.RLock()
	defer n.mu.RUnlock()
	bytes := map[Name]int64{}
	for i := range records {
		ref, d, ok := pulledName(records[i].Description)
		if ok && d != "" && records[i].isRegular() && len(n.shared.Chains(d.String())) == 0 {
			bytes[Name{ref, d}] += records[i].Size
		}
	}
	return slices.SortedFunc(maps.Keys(bytes), func(a, b Name) int {
		return cmp.Or(cmp.Compare(bytes[b], bytes[a]), cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Digest, b.Digest))
	})
}

// String returns the name as a reference, with its digest if it has one: an image
// that a build names without is called so.
func (n Name) String() string {
	if n.Digest == "" {
		return n.Ref
	}
	return n.Ref + "@" + n.Digest.String()
}

// key is what a graph knows the image by.
func (n Name) key() string {
	if n.Digest == "" {
		return n.Ref
	}
	return n.Digest.String()
}

// ImageReport has the verdicts on a builder's records where the plan is known
// by its base images only.
type ImageReport struct {
	*Report
	Images []Image // of the plan
	others []Job   // images that are not of the plan and end within its layers
	memory *Memory
}

// ClassifyImages judges records as Classify does, for a plan of which only the
// base images are known. Every step that hangs on the topmost layers of these
// images, and on no other image's, counts as the plan's. So does what was linked, as far as
// the memory, which may be nil and is not changed, tells that runs of Stoker's made it.
//
// A layer that would be dead may be the topmost one of another image that was
// pulled: then nothing stands on it, and only its name tells. Such a layer is
// foreign, as are those below it. Ask returns how many layers the image of such a
// name has; it is called for few names, so that it may ask a registry. What it
// does not know is taken to end there. Explain is View's, and may be nil.
func ClassifyImages(records []Record, images []Image, memory *Memory, explain func(digest.Digest) ([]graph.ID, bool),
	ask func(Name) (layers int, known bool)) *ImageReport {
	r := &ImageReport{Images: images, memory: memory}
	r.Report = Classify(r.view(records, explain))
	if r.others = r.findOthers(ask); len(r.others) == 0 {
		return r
	}
	r.Report = Classify(r.view(records, explain))
	r.disown()
	return r
}

// view takes the images, and the others, for the base images of one job each.
func (r *ImageReport) view(records []Record, explain func(digest.Digest) ([]graph.ID, bool)) View {
	var jobs []Job
	for _, image := range r.Images {
		g := graph.Upon(image.Chains...)
		g.Join(graph.Graph{Vertices: image.Linked})
		jobs = append(jobs, Job{Name: image.Ref, Graph: g})
	}
	needs := NewNeeds(append(jobs, r.others...))
	for i, image := range r.Images {
		if !image.Needed {
			needs.Finish(i)
		}
	}
	v := View{Records: records, Needs: needs, Owner: Whole, Explain: explain}
	if r.memory != nil {
		v.Memory = NewMemory(r.memory.Known(), r.memory.Makings(), nil)
		v.Before = make(map[string]struct{}, len(records))
		for i := range records {
			v.Before[records[i].ID] = struct{}{}
		}
	}
	return v
}

// findOthers returns the images, as jobs, that end at a dead layer which
// carries their name.
func (r *ImageReport) findOthers(ask func(Name) (int, bool)) []Job {
	var others []Job
	for i, rec := range r.Records {
		ref, d, ok := pulledName(rec.Description)
		v := r.Verdicts[i]
		if !ok || v.State != Dead || !v.Layer || len(r.shared.Chains(Name{ref, d}.key())) > 0 {
			continue
		}
		layers := r.shared.LayersTo(r.of[i][0])
		if all, known := ask(Name{ref, d}); known && all > len(layers) {
			// The rest of that image is gone: what is left of it is not it.
			continue
		}
		others = append(others, Job{Name: ref, Graph: graph.UponLayers(ref, d.String(), layers)})
	}
	return others
}

// disown makes foreign what is live for the others only: they are not of the
// plan. The verdict's Job stays, to tell why.
func (r *ImageReport) disown() {
	for i := range r.Verdicts {
		if v := &r.Verdicts[i]; v.State == Live && v.Job >= len(r.Images) {
			v.State = Foreign
		}
	}
}

// Share is what a sweep does with an image's records.
type Share struct {
	All    Sum // its records, those that it shares with other images included
	Remove Sum // what is removed of those that it shares with no other image of the plan
	Keep   []Kept
}

// Kept is what stays of an image that nothing needs, and why.
type Kept struct {
	Why string
	Sum
}

// Shares returns what a removal does to each image, at the place that it has in the
// plan, and to what several images of the plan share. Each record of an image is in
// one Remove or Keep.
func (r *ImageReport) Shares(removal []Record) (own []Share, shared Share) {
	removed := map[string]bool{}
	for _, rec := range removal {
		removed[rec.ID] = true
	}
	own = make([]Share, len(r.Images))
	for i := range r.Records {
		rec, owners := &r.Records[i], r.imagesOf(i)
		for _, o := range owners {
			own[o].All.Add(rec)
		}
		into := &shared
		switch len(owners) {
		case 0:
			continue
		case 1:
			into = &own[owners[0]]
		default:
			shared.All.Add(rec)
		}
		if removed[rec.ID] {
			into.Remove.Add(rec)
		} else {
			into.keep(rec, r.why(i))
		}
	}
	return own, shared
}

// imagesOf returns the images of the plan that the record at i is of.
func (r *ImageReport) imagesOf(i int) []int {
	return slices.DeleteFunc(r.Owners(i), func(id int) bool { return id >= len(r.Images) })
}

func (s *Share) keep(rec *Record, why string) {
	at := slices.IndexFunc(s.Keep, func(k Kept) bool { return k.Why == why })
	if at < 0 {
		at = len(s.Keep)
		s.Keep = append(s.Keep, Kept{Why: why})
	}
	s.Keep[at].Add(rec)
	slices.SortFunc(s.Keep, func(a, b Kept) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Why, b.Why))
	})
}

// why tells why the record at i stays, although a sweep is asked to remove all
// that is of its image.
func (r *ImageReport) why(i int) string {
	keeper := i
	for r.Verdicts[keeper].Reason == KeptByChild {
		keeper = r.keepingChild(keeper)
	}
	rec, v := &r.Records[keeper], r.Verdicts[keeper]
	name, _, isPulled := pulledName(rec.Description)
	switch {
	case v.State == Dead && rec.InUse:
		return "a running build uses it"
	case v.State == Dead:
		return "a running build uses what stands on it"
	case v.Job >= len(r.Images):
		return r.others[v.Job-len(r.Images)].Name + " has it too"
	case v.State == Live:
		return v.Reason.String()
	case keeper == i:
		return v.Reason.String()
	case isPulled:
		return name + " has it too"
	}
	if rec.Description == "" {
		return "it is below a record without a description, which is of another image"
	}
	return fmt.Sprintf("it is below %q, which is of another image", rec.Description)
}

// keepingChild returns the child for which the record at i is kept. There is
// one: the record has its state from it. Of several it is always the same one, in
// whatever order the records are listed.
func (r *ImageReport) keepingChild(i int) int {
	keeping := slices.DeleteFunc(slices.Clone(r.children[i]), func(c int) bool { return r.Verdicts[c].State != r.Verdicts[i].State })
	return slices.MinFunc(keeping, func(a, b int) int {
		x, y := &r.Records[a], &r.Records[b]
		return cmp.Or(cmp.Compare(x.Description, y.Description), cmp.Compare(x.ID, y.ID))
	})
}
