package cache

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/layers"
)

// world is a random plan and a random builder, and what only their maker knows.
type world struct {
	view   View
	jobs   []Job
	truth  map[string]layers.Key // of records that are layers of an image
	known  map[digest.Digest]layers.Chain
	chains []layers.Chain
}

func drawWorld(t *rapid.T) *world {
	w := &world{truth: map[string]layers.Key{}, known: map[digest.Digest]layers.Chain{}}
	planned := w.drawChains(t)
	for id := range rapid.IntRange(0, 5).Draw(t, "jobs") {
		j := Job{ID: id, Opaque: rapid.IntRange(0, 9).Draw(t, "opaque") == 0}
		for range rapid.IntRange(0, 3).Draw(t, "bases") {
			j.Bases = append(j.Bases, rapid.SampledFrom(planned).Draw(t, "base"))
		}
		w.jobs = append(w.jobs, j)
	}
	w.view = View{
		Steps:     ours,
		Before:    map[string]struct{}{},
		Exclusive: rapid.Bool().Draw(t, "exclusive"),
		Explain:   func(d digest.Digest) (layers.Chain, bool) { c, ok := w.known[d]; return c, ok },
	}
	w.drawLayers(t)
	w.drawSteps(t)
	w.drawFaults(t)
	for _, r := range w.view.Records {
		if rapid.IntRange(0, 3).Draw(t, "before") == 0 {
			w.view.Before[r.ID] = struct{}{}
		}
	}
	w.view.Records = rapid.Permutation(w.view.Records).Draw(t, "records")
	return w
}

// drawChains makes the images: of the plan, known from disk, and unknown. Few
// different blobs make for many shared layers.
func (w *world) drawChains(t *rapid.T) (planned []layers.Chain) {
	blobs := func() string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 4).Draw(t, "blobs"), " ")
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "images") {
		c := chain(fmt.Sprint("img", i), blobs())
		planned, w.chains = append(planned, c), append(w.chains, c)
	}
	if rapid.Bool().Draw(t, "multi") {
		idx := digest.FromString("index")
		// Jobs for one platform only would make the other's records ones that
		// nobody can tell, so a job of the one has the other, too.
		a, b := chainAt("multi", idx, blobs()), chainAt("multi", idx, blobs())
		w.jobs = append(w.jobs, Job{ID: 100, Bases: []layers.Chain{a}}, Job{ID: 101, Bases: []layers.Chain{b}})
		planned, w.chains = append(planned, a, b), append(w.chains, a, b)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "others") {
		c := chain(fmt.Sprint("other", i), blobs())
		w.chains = append(w.chains, c)
		if rapid.Bool().Draw(t, "known") {
			w.known[c.Digest] = c
		}
	}
	return planned
}

// drawLayers lets the builder have pulled some of the images. A layer is named
// after the image that came first, or is not pulled yet, or was built here.
func (w *world) drawLayers(t *rapid.T) {
	have := map[layers.Key]string{}
	for _, c := range rapid.Permutation(w.chains).Draw(t, "pulls") {
		parent := ""
		for d := range rapid.IntRange(0, len(c.Layers)).Draw(t, "layers") {
			k := c.Key(d)
			if have[k] == "" {
				description := pulled(c)
				switch rapid.IntRange(0, 9).Draw(t, "name") {
				case 0, 1:
					description = ""
				case 2:
					description = "mount / from exec our step"
				}
				have[k] = fmt.Sprint("layer", len(w.view.Records))
				w.truth[have[k]] = k
				w.add(t, rec(have[k], parent, description))
			}
			parent = have[k]
		}
	}
}

// drawSteps puts results of steps, merges and diffs on what is there.
func (w *world) drawSteps(t *rapid.T) {
	descriptions := []string{"our RUN", "[1/2] our COPY", "their RUN", "their COPY", "", "pulled from nowhere", "pulled from x@sha256:0"}
	kinds := []string{KindRegular, KindRegular, KindRegular, KindRegular, KindCacheMount, KindLocal, KindInternal}
	for i := range rapid.IntRange(0, 12).Draw(t, "steps") {
		var parents []string
		for range rapid.SampledFrom([]int{0, 1, 1, 1, 1, 2, 3}).Draw(t, "parents") {
			if len(w.view.Records) > 0 {
				parents = append(parents, rapid.SampledFrom(w.view.Records).Draw(t, "parent").ID)
			}
		}
		slices.Sort(parents)
		r := rec(fmt.Sprint("step", i), strings.Join(slices.Compact(parents), " "), rapid.SampledFrom(descriptions).Draw(t, "description"))
		r.Kind = rapid.SampledFrom(kinds).Draw(t, "kind")
		w.add(t, r)
	}
}

// drawFaults breaks some lineages.
func (w *world) drawFaults(t *rapid.T) {
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "faults") {
		if len(w.view.Records) == 0 {
			return
		}
		r := rapid.SampledFrom(w.view.Records).Draw(t, "faulty")
		switch i := slices.IndexFunc(w.view.Records, func(x Record) bool { return x.ID == r.ID }); rapid.IntRange(0, 2).Draw(t, "fault") {
		case 0:
			w.view.Records[i].Parents = []string{"missing"}
		case 1:
			w.view.Records[i].Parents = append(slices.Clone(r.Parents), w.childOrSelf(r.ID))
		case 2:
			w.view.Records = append(w.view.Records, r)
		}
		// What the maker knows no longer holds.
		w.truth = nil
	}
}

// childOrSelf returns what makes a circle as a parent of id.
func (w *world) childOrSelf(id string) string {
	for _, r := range w.view.Records {
		if slices.Contains(r.Parents, id) {
			return r.ID
		}
	}
	return id
}

func (w *world) add(t *rapid.T, r Record) {
	r.InUse = rapid.IntRange(0, 9).Draw(t, "in use") == 0
	r.LastUsedAt = time.Unix(int64(rapid.IntRange(0, 5).Draw(t, "used")), 0)
	w.view.Records = append(w.view.Records, r)
}

// classify judges the world after the given jobs have finished.
func (w *world) classify(finished map[int]bool) *Report {
	v := w.view
	v.Needs = NewNeeds(w.jobs)
	for id := range finished {
		v.Needs.Finish(id)
	}
	return Classify(v)
}

func (w *world) drawFinished(t *rapid.T) map[int]bool {
	finished := map[int]bool{}
	for _, j := range w.jobs {
		if rapid.Bool().Draw(t, "finished") {
			finished[j.ID] = true
		}
	}
	return finished
}

func TestClassifyAgreesWithTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		finished := w.drawFinished(t)
		r := w.classify(finished)
		o := oracle{View: w.view, jobs: w.jobs, finished: finished}
		for i, want := range o.states() {
			if got := r.Verdicts[i]; got.State != want {
				t.Fatalf("%+v is %s (%s), want %s", w.view.Records[i], got.State, got.Reason, want)
			}
		}
	})
}

func TestNoLayerOfAnUnfinishedJobIsDead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		finished := w.drawFinished(t)
		r := w.classify(finished)
		for i, rec := range r.Records {
			key, isLayer := w.truth[rec.ID]
			_, was := w.view.Before[rec.ID]
			if !isLayer || r.Verdicts[i].State != Dead || ours(rec.Description) && !was {
				continue
			}
			for _, j := range w.jobs {
				for _, c := range j.Bases {
					if !finished[j.ID] && slices.Contains(c.Keys(), key) {
						t.Fatalf("%+v is dead, but job %d reads it", rec, j.ID)
					}
				}
			}
		}
	})
}

func TestReportsHoldTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		checkReport(t, w.classify(w.drawFinished(t)))
	})
}

// fataler is what tests, fuzz tests and properties have in common.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkReport checks what is true of every report, whatever the records.
func checkReport(t fataler, r *Report) {
	t.Helper()
	children := map[string][]int{}
	for i, rec := range r.Records {
		for _, p := range rec.Parents {
			children[p] = append(children[p], i)
		}
	}
	for i, rec := range r.Records {
		for _, c := range children[rec.ID] {
			if r.Verdicts[i].State == Dead && r.Verdicts[c].State != Dead {
				t.Fatalf("%s is dead, but its child %s is %s", rec.ID, r.Records[c].ID, r.Verdicts[c].State)
			}
		}
		r.Owners(i)
	}
	checkOrder(t, r, r.Removable(), children, func(v Verdict) bool { return v.State == Dead })
	checkOrder(t, r, r.Held(), children, func(v Verdict) bool { return v.Reason == Held })
	checkBytes(t, r)
}

// checkOrder checks that list has all records that can go, children first.
func checkOrder(t fataler, r *Report, list []Record, children map[string][]int, want func(Verdict) bool) {
	t.Helper()
	gone := map[string]bool{}
	leaf := func(id string) bool {
		return !slices.ContainsFunc(children[id], func(c int) bool { return !gone[r.Records[c].ID] })
	}
	for _, rec := range list {
		if gone[rec.ID] || rec.InUse || !leaf(rec.ID) {
			t.Fatalf("%s cannot be deleted at its place in %v", rec.ID, list)
		}
		gone[rec.ID] = true
	}
	for i, rec := range r.Records {
		if gone[rec.ID] != want(r.Verdicts[i]) && !gone[rec.ID] && !rec.InUse && leaf(rec.ID) {
			t.Fatalf("%s can be deleted, but is not in %v", rec.ID, list)
		}
		if gone[rec.ID] && !want(r.Verdicts[i]) {
			t.Fatalf("%s is %s, but is in %v", rec.ID, r.Verdicts[i].Reason, list)
		}
	}
}

// checkBytes checks that totals and tree count every record once.
func checkBytes(t fataler, r *Report) {
	t.Helper()
	var want int64
	for _, rec := range r.Records {
		want += rec.Size
	}
	totals := r.Totals()
	if got := totals.Live.Bytes + totals.Dead.Bytes + totals.Foreign.Bytes; got != want {
		t.Fatalf("totals have %d bytes, want %d", got, want)
	}
	tree := r.Tree()
	sum := tree.Loose
	for _, b := range tree.Layers {
		sum.join(b.Total)
	}
	if sum != (Bytes{totals.Live.Bytes, totals.Dead.Bytes, totals.Foreign.Bytes}) {
		t.Fatalf("tree has %+v, totals %+v", sum, totals)
	}
}

func TestFinishingAJobRevivesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		finished := w.drawFinished(t)
		before := w.classify(finished)
		for _, j := range w.jobs {
			if !finished[j.ID] {
				finished[j.ID] = true
				break
			}
		}
		after := w.classify(finished)
		for i, rec := range after.Records {
			if before.Verdicts[i].State == Dead && after.Verdicts[i].State != Dead {
				t.Fatalf("%s was dead and is %s", rec.ID, after.Verdicts[i].State)
			}
		}
	})
}

func TestNothingIsLiveWhenAllJobsAreFinished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		finished := map[int]bool{}
		for _, j := range w.jobs {
			finished[j.ID] = true
		}
		if live := w.classify(finished).Totals().Live; live.Records != 0 {
			t.Fatalf("%d records are still live", live.Records)
		}
	})
}

func TestCountersFollowFinishAndUnfinish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		v, finished := w.view, map[int]bool{}
		v.Needs = NewNeeds(w.jobs)
		for range rapid.IntRange(0, 30).Draw(t, "changes") {
			id := rapid.IntRange(-1, 6).Draw(t, "job")
			if rapid.Bool().Draw(t, "finish") {
				v.Needs.Finish(id)
				finished[id] = true
			} else {
				v.Needs.Unfinish(id)
				delete(finished, id)
			}
		}
		fresh := w.classify(finished)
		for i, got := range Classify(v).Verdicts {
			if want := fresh.Verdicts[i]; got.State != want.State || got.Reason != want.Reason {
				t.Fatalf("%s is %s, counted afresh %s", v.Records[i].ID, got.State, want.State)
			}
		}
		for l := range v.Needs.layers {
			if v.Needs.layers[l].open != fresh.lineages.needs.layers[l].open {
				t.Fatalf("layer %d is in %d unfinished shapes, want %d", l, v.Needs.layers[l].open, fresh.lineages.needs.layers[l].open)
			}
		}
	})
}
