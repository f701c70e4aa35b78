package cache

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

// run builds all jobs, and calls look now and then.
func (d *daemon) run(look func()) {
	workers := 1
	if !d.style.calm {
		workers = rapid.IntRange(1, 4).Draw(d.t, "workers")
	}
	for len(d.waiting)+len(d.builds) > 0 {
		switch {
		case len(d.waiting) > 0 && len(d.builds) < workers:
			d.begin()
		default:
			d.proceed()
		}
		if d.style.owner == Shared && (!d.style.calm || len(d.builds) == 0) && d.chance(4, "strangers") {
			d.drawStrangers(2)
		}
		if d.chance(6, "evict") {
			d.evict()
		}
		if d.chance(3, "look") {
			look()
		}
	}
	d.tell(d.now)
	d.now = d.now.Add(10 * time.Second)
	look()
}

// begin begins the next job, whose tag may have moved.
func (d *daemon) begin() {
	b := &build{job: d.waiting[0]}
	d.waiting = d.waiting[1:]
	if d.chance(10, "moved") {
		d.jobs[b.job] = d.drawJob(d.jobs[b.job].Name)
		d.view.Needs.Learn(b.job, d.jobs[b.job].Graph)
	}
	e := &entry{maker: theRun, sealed: true}
	e.Description = "local source for context"
	d.add(e)
	e.Kind = KindLocal
	d.builds = append(d.builds, b)
	d.take(b)
}

// take has a build find what is there, and begin what is not, until it waits.
func (d *daemon) take(b *build) {
	j := d.jobs[b.job]
	for ; b.next < len(j.Graph.Vertices); b.next++ {
		v := j.Graph.Vertices[b.next]
		e := d.find(v.ID)
		if e == nil {
			if d.runningStep(v.ID) != nil {
				return // another build makes it
			}
			if e = d.make(j, v, theRun); e.running {
				b.step, b.end = e, d.now.Add(d.drawTime())
				e.users++
				return
			}
		}
		e.users++
		b.held = append(b.held, e)
	}
	d.end(b)
}

func (d *daemon) runningStep(v graph.ID) *entry {
	for _, e := range d.records {
		if e.vertex == v && e.running {
			return e
		}
	}
	return nil
}

func (d *daemon) drawTime() time.Duration {
	if d.style.calm {
		return time.Duration(rapid.IntRange(3000, 5000).Draw(d.t, "ms")) * time.Millisecond
	}
	return time.Duration(rapid.SampledFrom([]int{5, 20, 150, 400, 2000}).Draw(d.t, "ms")) * time.Millisecond
}

// proceed goes on to the end of the step that is done next.
func (d *daemon) proceed() {
	var next *build
	for _, b := range d.builds {
		if b.step != nil && (next == nil || b.end.Before(next.end)) {
			next = b
		}
	}
	if next.end.After(d.now) {
		d.now = next.end
	}
	e := next.step
	e.running = false
	e.CreatedAt = next.end.Add(-time.Duration(rapid.IntRange(1, 3).Draw(d.t, "ms before")) * time.Millisecond)
	d.willTell(e.vertex, e.began, next.end)
	next.held, next.step = append(next.held, e), nil
	next.next++
	d.take(next)
	for _, b := range slices.Clone(d.builds) {
		if b.step == nil && b.next < len(d.jobs[b.job].Graph.Vertices) {
			d.take(b) // it may have waited for this one
		}
	}
}

// willTell tells a run of a making, some time later.
func (d *daemon) willTell(v graph.ID, began, done time.Time) {
	off := time.Duration(rapid.Int64Range(-int64(d.style.disturbed), int64(d.style.disturbed)).Draw(d.t, "off"))
	d.makings = append(d.makings, Making{Vertex: v, Began: began, Done: done})
	began, done = began.Add(off-time.Millisecond), done.Add(off)
	later := 0
	if !d.style.calm {
		later = rapid.SampledFrom([]int{0, 0, 100, 300}).Draw(d.t, "told after")
	}
	d.untold = append(d.untold, telling{d.now.Add(time.Duration(later) * time.Millisecond), func() {
		d.view.Memory.Made(Making{Vertex: v, Began: began, Done: done})
		d.view.Memory.Made(Making{Vertex: v, Began: began, Done: done}) // by another build that waited for it
	}})
}

// tell tells what is due.
func (d *daemon) tell(until time.Time) {
	d.untold = slices.DeleteFunc(d.untold, func(t telling) bool {
		due := !t.at.After(until)
		if due {
			t.tell()
		}
		return due
	})
}

// end ends a build: its result is exported, and the run has been told all.
func (d *daemon) end(b *build) {
	d.builds = slices.DeleteFunc(d.builds, func(x *build) bool { return x == b })
	if len(b.held) > 0 {
		b.held[len(b.held)-1].seal()
	}
	for _, e := range b.held {
		e.users--
	}
	d.tell(d.now.Add(time.Hour))
	d.finished[b.job] = true
	d.view.Needs.Finish(b.job)
}

func (e *entry) seal() {
	e.sealed = true
	for _, p := range e.parents {
		p.seal()
	}
}

// evict removes something that nothing uses, as a builder's own collector does. It
// has lain for a while, and the run has looked at it since.
func (d *daemon) evict() {
	var free []*entry
	for _, e := range d.records {
		if e.users == 0 && !e.running && len(d.children(e)) == 0 && e.seen {
			free = append(free, e)
		}
	}
	if len(free) > 0 {
		d.remove(rapid.SampledFrom(free).Draw(d.t, "evicted"))
	}
}
