package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// linkTasks finds the jobs that are built on other jobs' images, by what their
// Dockerfiles read, or on their results. Such a job is built after the other.
func (r *run) linkTasks(ctx context.Context, tasks []*task) {
	r.makers, r.taskOf = map[string]*task{}, map[*plan.Job]*task{}
	for _, t := range tasks {
		t.planned, r.taskOf[t.job] = t.job, t
		for _, tag := range t.job.Tags {
			r.makers[imageref.WithoutDigest(tag)] = t
		}
	}
	for _, t := range tasks {
		r.setForm(t, nil)
	}
	for _, t := range tasks {
		r.linkReads(ctx, t, t.job, map[*plan.Job]bool{})
	}
	refuseCircles(tasks)
}

// linkReads links a task by what a job reads that is built with it: its own, or one of
// those that are linked with it and are no tasks themselves.
func (r *run) linkReads(ctx context.Context, t *task, job *plan.Job, seen map[*plan.Job]bool) {
	for _, ref := range job.Reads(ctx) {
		r.link(t, ref)
	}
	for _, linked := range job.Links {
		if seen[linked] {
			continue
		}
		seen[linked] = true
		if maker := r.taskOf[linked]; maker != nil {
			t.buildAfter(maker)
			continue
		}
		r.linkReads(ctx, t, linked, seen)
	}
}

// linkImages does the same by the images that the builder says the jobs read.
func (r *run) linkImages(tasks []*task) {
	for _, t := range tasks {
		if t.begun {
			continue // it reads none
		}
		for _, image := range t.known.images {
			r.link(t, image.Ref)
		}
	}
	refuseCircles(tasks)
}

// link has a task wait for the one that makes an image, if another does.
func (r *run) link(t *task, ref string) {
	maker := r.makers[imageref.WithoutDigest(ref)]
	if maker == nil || maker == t {
		return
	}
	t.buildAfter(maker)
	if !slices.Contains(t.images, maker) {
		t.images = append(t.images, maker)
	}
}

// buildAfter has a task wait for another.
func (t *task) buildAfter(maker *task) {
	if maker != t && !slices.Contains(t.after, maker) {
		t.after = append(t.after, maker)
	}
}

// refuseCircles fails all tasks that would have to be built after themselves.
func refuseCircles(tasks []*task) {
	in := inCircles(tasks)
	for _, t := range tasks {
		if !in[t] {
			continue
		}
		other := t.after[slices.IndexFunc(t.after, func(o *task) bool { return in[o] })]
		t.early = fmt.Errorf("it is built on the image of %s, and that at last on this one's", other.job.Name)
	}
	for t := range in {
		t.after, t.images = nil, nil
	}
}

// inCircles returns the tasks that stand on themselves at last, or between circles:
// what is left when those are taken away, again and again, that stand on nothing, and
// then those on which nothing stands.
func inCircles(tasks []*task) map[*task]bool {
	left := map[*task]bool{}
	upon := map[*task][]*task{}
	for _, t := range tasks {
		left[t] = true
		for _, other := range t.after {
			upon[other] = append(upon[other], t)
		}
	}
	peel(left, func(t *task) []*task { return t.after }, func(t *task) []*task { return upon[t] })
	peel(left, func(t *task) []*task { return upon[t] }, func(t *task) []*task { return t.after })
	return left
}

// peel takes away the tasks that lead to none that is left, until each does.
func peel(left map[*task]bool, leads, back func(*task) []*task) {
	count := map[*task]int{}
	var free []*task
	for t := range left {
		for _, other := range leads(t) {
			if left[other] {
				count[t]++
			}
		}
		if count[t] == 0 {
			free = append(free, t)
		}
	}
	for len(free) > 0 {
		t := free[len(free)-1]
		free = free[:len(free)-1]
		delete(left, t)
		for _, other := range back(t) {
			if count[other]--; count[other] == 0 && left[other] {
				free = append(free, other)
			}
		}
	}
}

// failUpon fails the tasks that are built on the images of those that fail.
func failUpon(tasks []*task) {
	for _, t := range afterOthers(tasks) {
		for _, other := range t.after {
			if other.early != nil && t.early == nil {
				t.early = fmt.Errorf("it is built on the image of %s, which will fail", other.job.Name)
			}
		}
	}
}

// leaveToOthers has tasks wait for those on which they are built, and that will fail,
// where they would fail for nothing else: the failure is the others'.
func leaveToOthers(tasks []*task) {
	left := slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool {
		return t.early == nil || !t.byLink || !slices.ContainsFunc(t.after, func(o *task) bool { return o.early != nil })
	})
	for _, t := range left {
		t.early, t.result.failure = nil, nil
	}
}

// afterOthers puts tasks behind those that they are built on, and changes the
// order no more than that takes.
func afterOthers(order []*task) []*task {
	out := make([]*task, 0, len(order))
	placed := map[*task]bool{}
	var place func(t *task)
	place = func(t *task) {
		if placed[t] {
			return
		}
		placed[t] = true
		for _, other := range t.after {
			if !other.begun && !other.done() {
				place(other)
			}
		}
		out = append(out, t)
	}
	for _, t := range order {
		place(t)
	}
	return out
}

// heirsNext puts tasks right behind the last of those that they are built on, whose
// results are kept until then. The order must have them behind those already.
func heirsNext(order []*task) []*task {
	left := map[*task]int{} // of those that a task is built on, how many are still to be placed
	heirs := map[*task][]*task{}
	for _, t := range order {
		left[t] = 0
	}
	for _, t := range order {
		for _, other := range t.after {
			if _, open := left[other]; open {
				left[t]++
				heirs[other] = append(heirs[other], t)
			}
		}
	}
	out := make([]*task, 0, len(order))
	placed := map[*task]bool{}
	var place func(t *task)
	place = func(t *task) {
		if placed[t] {
			return
		}
		placed[t] = true
		out = append(out, t)
		for _, heir := range heirs[t] {
			if left[heir]--; left[heir] == 0 {
				place(heir)
			}
		}
	}
	for _, t := range order {
		if len(t.after) > 0 && left[t] == 0 {
			place(t)
		}
	}
	for _, t := range order {
		place(t)
	}
	return out
}

// waitsFor tells whether a task has to wait for what others make, and which has failed,
// at last, where that will never be.
func (t *task) waitsFor() (waits bool, failed *task) {
	for _, other := range t.after {
		switch other.ended {
		case "":
			waits = true
		case ledger.Failed:
			return false, other
		case ledger.SkippedDependency:
			return false, other.failed
		}
	}
	return waits, nil
}
