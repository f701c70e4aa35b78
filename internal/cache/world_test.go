package cache

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

// The images of the tests: two environments on one Debian, tools on the same OS,
// and a stranger's.
var (
	debian = image("docker.io/library/debian:12", "os deb")
	env1   = image("registry/env:1", "os deb e1")
	env2   = image("registry/env:2", "os deb e2")
	tools  = image("registry/tools:1", "os t1 t2")
	alien  = image("registry/alien:1", "os deb x")
)

var imagesByName = map[string]graph.ImageLayers{"debian": debian, "env1": env1, "env2": env2, "tools": tools, "alien": alien}

// image makes an image of one layer for each word of blobs, bottom first.
func image(ref, blobs string) graph.ImageLayers {
	d := digest.FromString(ref + "\n" + blobs)
	return graph.ImageLayers{Ref: ref, Digest: d.String(), Digests: strings.Fields(blobs)}
}

func pulled(i graph.ImageLayers) string { return fmt.Sprintf("%s%s@%s", pulledFrom, i.Ref, i.Digest) }

// identity makes the identity of a vertex from all that makes it what it is.
func identity(parts ...any) (id graph.ID) {
	sum := digest.FromString(fmt.Sprint(parts...)).Encoded()
	id, err := graph.ParseID(sum[:32])
	if err != nil {
		panic(err)
	}
	return id
}

// draft is a graph that is being made.
type draft struct {
	graph.Graph
	stages map[string][]graph.ID
	top    []graph.ID // none for an empty file system
}

// job makes a job of stages, the last of which is its result. A stage is lines,
// with | between them:
//
//	FROM env1           an image of the tests, or a stage that came before
//	RUN make #A=1       what stands after # is part of the step, but not of its description
//	COPY a #/dir        of a directory
//	COPY --from=builder a
//	LINK a              a COPY --link: the content, and its merge, called LINK LINK a
//	AS builder
func job(name string, stages ...string) Job {
	d := &draft{stages: map[string][]graph.ID{}}
	for _, stage := range stages {
		d.top = nil
		for _, line := range strings.Split(stage, "|") {
			d.line(strings.TrimSpace(line))
		}
	}
	return Job{Name: name, Graph: d.Graph}
}

func (d *draft) line(line string) {
	word, rest, _ := strings.Cut(line, " ")
	description, _, _ := strings.Cut(line, " #")
	switch word {
	case "FROM":
		d.from(rest)
	case "AS":
		d.stages[rest] = d.top
	case "RUN":
		args, _, _ := strings.Cut(rest, " #")
		d.step(line, "mount / from exec "+args, d.top)
	case "COPY":
		inputs := d.top
		if from, _, ok := strings.Cut(strings.TrimPrefix(rest, "--from="), " "); ok && strings.HasPrefix(rest, "--from=") {
			inputs = slices.Concat(d.top, d.stages[from])
		}
		d.step(line, description, d.top, inputs...)
	case "LINK":
		base := d.top
		d.step(line, description, nil)
		d.merge("LINK "+line, "LINK "+description, append(slices.Clone(base), d.top...))
	}
}

func (d *draft) from(name string) {
	if top, ok := d.stages[name]; ok {
		d.top = top
		return
	}
	i := imagesByName[name]
	g := graph.Upon(i)
	g.Vertices = slices.DeleteFunc(g.Vertices, func(v graph.Vertex) bool { return v.Kind == graph.Any })
	d.Join(g)
	d.top = g.Images[0].Layers[len(i.Digests)-1:]
}

// step adds a step that leaves one record, on top of what it is on.
func (d *draft) step(name, description string, on []graph.ID, inputs ...graph.ID) {
	if len(inputs) == 0 {
		inputs = on
	}
	id := identity(name, on, inputs)
	d.Join(graph.Graph{Vertices: []graph.Vertex{{ID: id, Kind: graph.Step, Name: name, Inputs: inputs,
		Results: []graph.Result{{Description: description, On: on}}}}})
	d.top = []graph.ID{id}
}

// merge adds a merge, which stands on what the merges stand on that it merges.
func (d *draft) merge(name, description string, inputs []graph.ID) {
	var flat []graph.ID
	for _, id := range inputs {
		at := slices.IndexFunc(d.Vertices, func(v graph.Vertex) bool { return v.ID == id })
		if v := d.Vertices[at]; v.Kind == graph.Step && len(v.Results[0].On) > 1 {
			flat = append(flat, v.Results[0].On...)
		} else {
			flat = append(flat, id)
		}
	}
	seen := map[graph.ID]bool{}
	flat = slices.DeleteFunc(flat, func(id graph.ID) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
	d.step(name, description, flat, inputs...)
}

// of returns the identity of a job's step by its line.
func of(j Job, line string) graph.ID {
	i := slices.IndexFunc(j.Graph.Vertices, func(v graph.Vertex) bool { return v.Name == line })
	if i < 0 {
		panic(j.Name + " has no " + line)
	}
	return j.Graph.Vertices[i].ID
}

// moments are told in milliseconds.
func at(ms int) time.Time {
	return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
}

// rec makes a regular record of one byte that stands on parents (words).
func rec(id, parents, description string) Record {
	return Record{ID: id, Parents: strings.Fields(parents), Description: description, Kind: KindRegular, Size: 1}
}

// made makes the record of a step that was made at a moment.
func made(ms int, id, parents, description string) Record {
	r := rec(id, parents, description)
	r.CreatedAt = at(ms)
	return r
}

// run is the description of a RUN's result.
func run(args string) string { return "mount / from exec " + args }

// stack makes the records of a pulled image: id0, id1 and so on.
func stack(id string, i graph.ImageLayers) []Record {
	var list []Record
	for n := range i.Digests {
		r := rec(fmt.Sprint(id, n), "", pulled(i))
		if n > 0 {
			r.Parents = []string{fmt.Sprint(id, n-1)}
		}
		list = append(list, r)
	}
	return list
}

func set(ids string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, id := range strings.Fields(ids) {
		m[id] = struct{}{}
	}
	return m
}

func ids(list []Record) string {
	var s []string
	for _, r := range list {
		s = append(s, r.ID)
	}
	return strings.Join(s, " ")
}

// check compares verdicts with lines of what a test expects: the record, its
// state, its reason where that matters, and the job's name where there is one.
func check(t *testing.T, r *Report, lines string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		id, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		i := slices.IndexFunc(r.Records, func(rec Record) bool { return rec.ID == id })
		if i < 0 {
			t.Errorf("there is no record %s", id)
			continue
		}
		v := r.Verdicts[i]
		got := fmt.Sprintf("%s: %s", v.State, v.Reason)
		if v.Job != NoJob {
			got += ": " + r.Needs.jobs[v.Job].name
		}
		if got != strings.TrimSpace(want) {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
	checkReport(t, r)
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
	stays := map[State]int{LeftOver: 1, Foreign: 2, Live: 2}
	for i, rec := range r.Records {
		for _, c := range children[rec.ID] {
			if own, child := r.Verdicts[i].State, r.Verdicts[c].State; stays[own] < stays[child] {
				t.Fatalf("%s is %s, but its child %s is %s", rec.ID, own, r.Records[c].ID, child)
			}
		}
		r.Owners(i)
		if !slices.IsSorted(r.of[i]) {
			t.Fatalf("the vertices of %s are %v", rec.ID, r.of[i])
		}
	}
	in := func(s State) func(Verdict) bool { return func(v Verdict) bool { return v.State == s } }
	checkOrder(t, r, r.Removable(), children, in(Dead))
	checkOrder(t, r, r.LeftOver(), children, in(LeftOver))
	checkOrder(t, r, r.Evictable(func(Wanting) bool { return true }), children, func(v Verdict) bool { return v.Reason == Needed })
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
		if want(r.Verdicts[i]) && !gone[rec.ID] && !rec.InUse && leaf(rec.ID) {
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
	var want Sum
	for i := range r.Records {
		want.add(&r.Records[i])
	}
	totals := r.Totals()
	if got := totals.Sum(); got != want {
		t.Fatalf("totals have %+v, want %+v", got, want)
	}
	tree, _ := r.Tree().Total()
	if sum := (Bytes{totals.Live.Bytes, totals.Dead.Bytes, totals.Foreign.Bytes, totals.LeftOver.Bytes}); tree != sum {
		t.Fatalf("tree has %+v, totals %+v", tree, sum)
	}
}

// madeAt is the making of a vertex that was done at a moment, and took no time.
func madeAt(v graph.ID, done time.Time) Making { return Making{Vertex: v, Began: done, Done: done} }
