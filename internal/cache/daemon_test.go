package cache

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/graph"
)

// daemon is a builder of which every record's making is known: it builds the jobs
// of a plan as BuildKit does, several at a time, while others use it, too. What it
// knows is kept apart from what a run is told.
//
// Large: it does what a builder does, and remembers what each record truly is.
type daemon struct {
	t     *rapid.T
	style style
	view  View
	jobs  []Job

	now      time.Time
	ids      int
	records  []*entry
	builds   []*build // running
	waiting  []int    // jobs that have not begun
	finished map[int]bool
	untold   []telling
	makings  []Making // as they really were
	// remembered are the records that earlier runs knew.
	remembered map[string]graph.ID
}

// style is how a daemon is used.
type style struct {
	owner Ownership
	// calm has one build at a time, steps that take seconds, and nobody else's
	// steps near them in time.
	calm bool
	// disturbed is how far from the truth the moments are that a run is told.
	disturbed time.Duration
}

// entry is a record and what made it.
type entry struct {
	Record
	vertex  graph.ID // zero for none of the plan's
	parents []*entry
	maker   maker
	began   time.Time
	running bool // its step is
	sealed  bool // something stands on it, or it was exported
	users   int  // running builds that hold it
	seen    bool // the run has looked at it, a while after it was made
}

type maker uint8

const (
	theRun   maker = iota
	earlier        // an earlier run on the same builder
	stranger       // somebody else
)

// build is a running build of a job. It makes the vertices of the job's graph one
// by one.
type build struct {
	job  int
	next int
	held []*entry
	step *entry // that it makes now
	end  time.Time
}

type telling struct {
	at   time.Time
	tell func()
}

// drawDaemon makes a plan and a daemon, and what is there before the run.
func drawDaemon(t *rapid.T, s style) *daemon {
	d := &daemon{t: t, style: s, now: at(0), finished: map[int]bool{}}
	for id := range rapid.IntRange(1, 6).Draw(t, "jobs") {
		d.jobs = append(d.jobs, d.drawJob(fmt.Sprint("job", id)))
		d.waiting = append(d.waiting, id)
	}
	d.view = View{Needs: NewNeeds(d.jobs), Memory: NewMemory(nil, nil, nil), Owner: s.owner, Before: map[string]struct{}{}}
	d.drawBefore()
	return d
}

func (d *daemon) chance(of int, what string) bool { return rapid.IntRange(1, of).Draw(d.t, what) == 1 }

// drawJob makes a job of few different bases, prefixes, variants and tails, so
// that jobs share much and much looks alike.
func (d *daemon) drawJob(name string) Job {
	if d.chance(8, "two platforms") {
		amd, arm := image("multi:1", "amd deb x"), image("multi:1", "arm deb")
		arm.Digest = amd.Digest
		both := graph.Upon(amd)
		if d.chance(2, "both") {
			both.Join(graph.Upon(arm))
		}
		both.Vertices = slices.DeleteFunc(both.Vertices, func(v graph.Vertex) bool { return v.Kind == graph.Any })
		return Job{Name: name, Graph: both}
	}
	lines := func(most int, from ...string) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(from), 0, most).Draw(d.t, "lines"), " | ")
	}
	join := func(parts ...string) string {
		return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " | ")
	}
	base := rapid.SampledFrom([]string{"FROM env1", "FROM env1", "FROM env2", "FROM debian", "FROM tools"}).Draw(d.t, "base")
	var stages []string
	final := join(base, lines(2, "RUN setup", "COPY common"), lines(2, "RUN build #A=1", "RUN build #A=2", "RUN build #A=3"))
	if d.chance(3, "builder") {
		stages = append(stages, join("FROM debian", lines(2, "RUN build #A=1", "RUN build #A=2", "RUN setup"), "AS builder"))
		final += " | COPY --from=builder out"
	}
	return job(name, append(stages, join(final, lines(2, "RUN test", "LINK a", "LINK b #2", "COPY ."), lines(1, "RUN own "+name, "RUN own #"+name)))...)
}

// drawBefore leaves what was there before: of earlier runs of this plan, of which
// some is remembered, and of others.
func (d *daemon) drawBefore() {
	d.now = at(-3_600_000)
	known := map[string]graph.ID{}
	for range rapid.IntRange(0, 2).Draw(d.t, "earlier jobs") {
		j := rapid.SampledFrom(d.jobs).Draw(d.t, "earlier job")
		var held []*entry
		for _, v := range j.Graph.Vertices[:rapid.IntRange(0, len(j.Graph.Vertices)).Draw(d.t, "of its vertices")] {
			d.now = d.now.Add(time.Minute)
			e := d.find(v.ID)
			if e == nil {
				e = d.make(j, v, earlier)
				e.running = false
			}
			if d.chance(2, "remembered") {
				known[e.ID] = v.ID
			}
			held = append(held, e)
		}
		for _, e := range held {
			e.sealed = true
		}
	}
	d.drawStrangers(3)
	for _, e := range d.records {
		d.view.Before[e.ID] = struct{}{}
	}
	d.view.Memory, d.remembered = NewMemory(known, nil, nil), known
	d.now = at(0)
}

// find returns the entry of a vertex that builds use: not one that looks like it.
func (d *daemon) find(v graph.ID) *entry {
	for _, e := range d.records {
		if e.vertex == v && !e.running {
			return e
		}
	}
	return nil
}

// make makes the entry of a vertex: of a layer at once, of a step it begins.
func (d *daemon) make(j Job, v graph.Vertex, by maker) *entry {
	e := &entry{vertex: v.ID, maker: by, began: d.now}
	on := v.Inputs
	if v.Kind == graph.Step {
		on, e.running = v.Results[0].On, true
		e.Description = fmt.Sprintf("[%d/9] %s", len(d.records), v.Results[0].Description)
		if strings.HasPrefix(v.Results[0].Description, "mount") {
			e.Description = v.Results[0].Description
		}
		if e.sealed = len(on) > 1; !e.sealed { // a merge mounts nothing
			d.unlazy(j, on)
		}
	} else {
		e.sealed = true
		if !d.chance(4, "lazy") {
			e.Description = d.nameOf(j, v.ID)
		}
	}
	for _, id := range on {
		p := d.find(id)
		p.sealed = true
		e.parents = append(e.parents, p)
	}
	d.add(e)
	return e
}

// nameOf is what a layer is named after when a job pulls it.
func (d *daemon) nameOf(j Job, layer graph.ID) string {
	at := slices.IndexFunc(j.Graph.Images, func(i graph.Image) bool { return slices.Contains(i.Layers, layer) })
	return pulledFrom + j.Graph.Images[at].Ref + "@" + j.Graph.Images[at].Digest
}

// unlazy pulls the layers that steps run on.
func (d *daemon) unlazy(j Job, on []graph.ID) {
	for _, id := range on {
		for e := d.find(id); e != nil; e = first(e.parents) {
			if e.Description == "" {
				e.Description = d.nameOf(j, e.vertex)
			}
		}
	}
}

func first(list []*entry) *entry {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func (d *daemon) add(e *entry) {
	d.ids++
	e.ID, e.Kind, e.Size, e.CreatedAt = fmt.Sprint("r", d.ids), KindRegular, 1, d.now
	d.records = append(d.records, e)
}

// drawStrangers has others do something: pull an image that shares layers with the
// plan's, or run the plan's texts, on what is there and elsewhere.
func (d *daemon) drawStrangers(most int) {
	for range rapid.IntRange(0, most).Draw(d.t, "of strangers") {
		if d.style.calm {
			d.now = d.now.Add(3 * time.Second)
		}
		switch e := (&entry{maker: stranger, began: d.now, sealed: true}); rapid.IntRange(0, 3).Draw(d.t, "strange") {
		case 0:
			d.pullAlien()
			continue
		case 1:
			e.Description = pulledFrom + "elsewhere:1@sha256:1"
			d.add(e)
		default:
			if len(d.records) > 0 {
				on := rapid.SampledFrom(d.records).Draw(d.t, "on")
				if on.running || on.Kind == KindLocal {
					continue
				}
				on.sealed = true
				e.parents = []*entry{on}
			}
			e.Description = rapid.SampledFrom([]string{run("build"), run("test"), run("setup"), "[7/7] COPY .", run("strange")}).Draw(d.t, "text")
			d.add(e)
		}
		if d.style.calm {
			d.now = d.now.Add(3 * time.Second)
		}
	}
}

// pullAlien pulls a stranger's image. The layers that it shares with the plan's
// images are named after it.
func (d *daemon) pullAlien() {
	var below *entry
	for _, id := range graph.LayerIDs(alien.Digests) {
		e := d.find(id)
		if e == nil {
			e = &entry{vertex: id, maker: stranger, sealed: true}
			e.Description = pulled(alien)
			if below != nil {
				e.parents = []*entry{below}
			}
			d.add(e)
		}
		below = e
	}
}

// list returns the records as DiskUsage would.
func (d *daemon) list() []Record {
	var list []Record
	for _, e := range d.records {
		e.seen = e.seen || !e.running && d.now.Sub(e.CreatedAt) > time.Second
		r := e.Record
		r.ID, r.InUse = e.shownID(), e.users > 0
		if r.Mutable = e.isMutable(); r.Mutable {
			r.CreatedAt = e.began.Add(time.Millisecond)
		}
		if e.running {
			r.Size = 0
		}
		for _, p := range e.parents {
			r.Parents = append(r.Parents, p.shownID())
		}
		list = append(list, r)
	}
	return list
}

// isMutable tells whether it is shown as BuildKit keeps it: writable, until
// something stands on it or it is exported.
func (e *entry) isMutable() bool { return e.running || !e.sealed && e.users == 0 }

func (e *entry) shownID() string {
	if e.isMutable() {
		return "m" + e.ID
	}
	return e.ID
}

// children returns what stands on an entry.
func (d *daemon) children(e *entry) (list []*entry) {
	for _, c := range d.records {
		if slices.Contains(c.parents, e) {
			list = append(list, c)
		}
	}
	return list
}

// remove removes an entry, which must be possible.
func (d *daemon) remove(e *entry) {
	if e.users > 0 || e.running || len(d.children(e)) > 0 {
		d.t.Fatalf("%+v cannot be removed", e.Record)
	}
	d.records = slices.DeleteFunc(d.records, func(x *entry) bool { return x == e })
}

// entryOf returns the entry that is shown under an ID.
func (d *daemon) entryOf(id string) *entry {
	return d.records[slices.IndexFunc(d.records, func(e *entry) bool { return e.shownID() == id })]
}

// needed tells whether an unfinished job has the vertex.
func (d *daemon) needed(v graph.ID) bool {
	for id, j := range d.jobs {
		if !d.finished[id] && slices.ContainsFunc(j.Graph.Vertices, func(x graph.Vertex) bool { return x.ID == v }) {
			return true
		}
	}
	return false
}
