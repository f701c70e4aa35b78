package run

import (
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// A job that is linked with another builds on that one's result, whose steps are in the
// cache or made in the same build. Where the other's image is in a registry, that image is
// built on: then none of its steps is made again, whatever is in the cache of it. Where it
// was made, BuildKit takes what is there of its steps for its layers, and pulls only the rest.

// setForm sets what is built for a task on some nodes; with none, before it is known on
// which.
func (r *run) setForm(t *task, on []string) {
	if t.planned == nil || len(t.planned.Links) == 0 {
		return
	}
	form := r.form(t.planned, strings.Join(on, " "), map[*plan.Job]*plan.Job{})
	if form != t.planned {
		form.Images = slices.Clone(t.job.Images)
		r.taskOf[form] = t
	}
	t.job = form
}

// form is a job as it is built on some nodes. The jobs that it is linked with are in the
// form in which they were made there, else their steps would not be found in the cache.
func (r *run) form(job *plan.Job, on string, known map[*plan.Job]*plan.Job) *plan.Job {
	if form, is := known[job]; is {
		return form
	}
	known[job] = job
	known[job] = job.Relink(func(linked *plan.Job) plan.Stand {
		maker := r.taskOf[linked]
		switch {
		case maker == nil:
		case maker.isPulled() && covers(linked.Options.Platforms, job.Options.Platforms):
			return plan.Stand{Image: linked.Tags[0] + "@" + maker.result.build.Digest}
		case maker.madeOn(on):
			return plan.Stand{Job: maker.job}
		}
		return plan.Stand{Job: r.form(linked, on, known)}
	})
	return known[job]
}

// madeOn tells whether this run has made a task's image on some nodes.
func (t *task) madeOn(nodes string) bool {
	return t.result.status == ledger.Built && t.ended == ledger.Built && t.result.build.Node == nodes
}

// buildOnImage has an heir that is linked with a task be built on that one's image from now
// on, where a registry has that: then the heir is one that names the image.
func (r *run) buildOnImage(heir, maker *task) {
	if !maker.isPulled() {
		return
	}
	if r.setForm(heir, nil); heir.job == heir.planned {
		return
	}
	r.link(heir, maker.planned.Tags[0])
	if !slices.Contains(heir.holds, maker) {
		heir.holds = append(heir.holds, maker)
	}
}

// isPulled tells whether a registry is known to have a task's image.
func (t *task) isPulled() bool {
	return (t.made || t.ended.Made()) && t.result.build.Digest != "" && len(t.planned.Tags) > 0 && t.planned.Pushes()
}

// covers tells whether an image for some platforms is one for others.
func covers(has, wants []ocispecs.Platform) bool {
	if len(has) == 0 || len(wants) == 0 {
		return len(has) == len(wants)
	}
	return !slices.ContainsFunc(wants, func(p ocispecs.Platform) bool {
		return !slices.ContainsFunc(has, platforms.OnlyStrict(p).Match)
	})
}
