package cache

import (
	"fmt"
	"testing"

	"github.com/stoker-build/stoker/internal/layers"
)

// large is a plan of 100,000 jobs on 2,000 base images of 40 projects, and a
// builder with 20,000 records of it.
func large() View {
	var chains []layers.Chain
	var records []Record
	for i := range 2000 {
		c := chain(fmt.Sprint("registry/env:", i), fmt.Sprintf("os deb project%d env%d", i%40, i))
		chains = append(chains, c)
		if i == 0 {
			records = append(records, rec("os", "", pulled(c)), rec("deb", "os", pulled(c)))
		}
		if i < 40 {
			records = append(records, rec(fmt.Sprint("project", i), "deb", pulled(c)))
		}
		env := fmt.Sprint("env", i)
		records = append(records, rec(env, fmt.Sprint("project", i%40), pulled(c)))
		below := env
		for s := range 8 {
			id := fmt.Sprint(env, "step", s)
			records = append(records, rec(id, below, fmt.Sprintf("[stage-1 %d/8] COPY . .", s)))
			if s%4 != 3 {
				below = id
			}
		}
		if i%2 == 0 {
			records = append(records, rec(env+"link", "", "COPY --link"), rec(env+"merge", below+" "+env+"link", "LINK COPY --link"))
		}
	}
	var list []Job
	for id := range 100_000 {
		list = append(list, Job{ID: id, Bases: []layers.Chain{chains[id%len(chains)]}})
	}
	v := View{Records: records, Needs: NewNeeds(list), Exclusive: true}
	for id := range 100_000 {
		if id%2000 < 1000 || id%2 == 0 {
			v.Needs.Finish(id)
		}
	}
	return v
}

func BenchmarkClassify(b *testing.B) {
	v := large()
	b.ReportMetric(float64(len(v.Records)), "records")
	for b.Loop() {
		Classify(v)
	}
}

func BenchmarkRemovable(b *testing.B) {
	r := Classify(large())
	for b.Loop() {
		r.Removable()
	}
}

func BenchmarkNewNeeds(b *testing.B) {
	v := large()
	list := make([]Job, len(v.Needs.jobs))
	for i, j := range v.Needs.jobs {
		list[i] = j.Job
	}
	for b.Loop() {
		NewNeeds(list)
	}
}

func BenchmarkFinish(b *testing.B) {
	n := large().Needs
	for b.Loop() {
		n.Unfinish(7)
		n.Finish(7)
	}
}

// The benchmark's figures are those of a plan that is judged rightly.
func TestLargePlan(t *testing.T) {
	v := large()
	totals := Classify(v).Totals()
	// Of the 2,000 base images those with an odd number from 1001 on are still
	// needed: 500 images with their 8 steps, and the shared layers of 20 projects.
	if want := 500*(1+8) + 2 + 20; totals.Live.Records-totals.Held.Records != want {
		t.Errorf("%d records are needed, want %d", totals.Live.Records-totals.Held.Records, want)
	}
	if totals.Held.Records != 1000 || totals.Foreign.Records != 0 {
		t.Errorf("totals = %+v, want 1000 held and none foreign", totals)
	}
	for id := range 100_000 {
		v.Needs.Finish(id)
	}
	if got := len(Classify(v).Removable()); got != len(v.Records) {
		t.Errorf("%d records can be removed at the end, want all %d", got, len(v.Records))
	}
}
