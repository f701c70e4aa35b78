package run

import (
	"slices"

	reruns "github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/stepbook"
)

// mostExplained is of how many steps the summary says why they were run: of more that takes
// seconds, and "stoker explain" tells.
const mostExplained = 20_000

// stepsNow are the steps of all jobs, with what became of them so far.
func (r *run) stepsNow() (all []ledger.Step) {
	bytes := map[graph.ID]int64{}
	for _, p := range r.scheduler.places {
		p.node.Sizes(func(id graph.ID, took int64) { bytes[id] = max(bytes[id], took) })
	}
	r.needs.Read(func(g *graph.Shared) { all = r.steps.Steps(stepbook.Seen{Bytes: bytes, Jobs: jobsIn(g)}) })
	return all
}

// jobsIn counts the jobs that have a step.
func jobsIn(g *graph.Shared) func(graph.ID) int {
	return func(id graph.ID) int {
		if v, is := g.Find(id); is {
			return len(g.JobsOf(v))
		}
		return 0
	}
}

// noteSteps puts on record what became of steps so far, for when the run is killed. Whether
// that can be written keepSteps tells, at the end.
func (r *run) noteSteps() {
	_ = r.Ledger.NoteSteps(func() (changed []ledger.Step) {
		r.needs.Read(func(g *graph.Shared) { changed = r.steps.Changed(stepbook.Seen{Jobs: jobsIn(g)}) })
		return changed
	})
}

// basesOf are the images that tasks pull, whose layers are all known.
func (r *run) basesOf(tasks []*task) (bases []graph.Base) {
	at := map[string]int{}
	r.needs.Read(func(g *graph.Shared) {
		for _, t := range tasks {
			for _, image := range t.known.images {
				if len(image.Layers) == 0 || slices.Contains(t.known.unpulled, image.Layers[len(image.Layers)-1]) {
					continue
				}
				key := image.Ref + " " + image.Platform
				i, is := at[key]
				if !is {
					i, at[key] = len(bases), len(bases)
					bases = append(bases, graph.Base{Ref: image.Ref})
					for _, id := range image.Layers {
						l := graph.BaseLayer{ID: id}
						if v, known := g.Find(id); known {
							l.Size, l.Content = g.Size(v), g.Content(v)
						}
						bases[i].Layers = append(bases[i].Layers, l)
					}
				}
				bases[i].Jobs = append(bases[i].Jobs, t.job.Name)
			}
		}
	})
	return bases
}

// stepsOf are the steps of those of some tasks that are still to be built, with the names of
// these.
func (r *run) stepsOf(tasks []*task) []ledger.Step {
	all := r.stepsNow()
	open := map[int32]string{}
	for _, t := range tasks {
		if t.isOpen() {
			open[int32(t.number)] = t.job.Name
		}
	}
	r.needs.Read(func(g *graph.Shared) {
		for i := range all {
			id, err := graph.ParseID(all[i].ID)
			v, is := g.Find(id)
			if err != nil || !is {
				continue
			}
			for _, job := range g.JobsOf(v) {
				if name, is := open[job]; is {
					all[i].Names = append(all[i].Names, name)
				}
			}
		}
	})
	return slices.DeleteFunc(all, func(s ledger.Step) bool { return len(s.Names) == 0 })
}

// keepSteps puts the steps on record. A run of which nobody knows what it does has none.
func (r *run) keepSteps() *ledger.Steps {
	all := r.stepsNow()
	if len(all) == 0 {
		return nil
	}
	if err := r.Ledger.WriteSteps(all); err != nil {
		r.warn("", "which steps were run, and why, is not on record: %s", err)
	}
	sum := ledger.SumSteps(all)
	if sum != nil && len(all) <= mostExplained {
		_, before := ledger.StepsBefore(r.Ledger.Dir())
		sum.Again = reruns.Again(all, before)
	}
	return sum
}
