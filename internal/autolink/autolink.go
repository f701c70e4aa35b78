// Package autolink has the COPY and ADD steps of jobs be linked where that makes the same
// image: it asks the builder how the images are made, reads the files of their base images,
// has internal/link prove each step, and changes the jobs' Dockerfiles, once the builder has
// told that the changed ones make the same.
package autolink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/plan"
)

// Builder tells how images are made.
type Builder interface {
	Recipes(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, made map[string]builder.Recipe, err error)) error
}

// Registry tells what images are made of.
type Registry interface {
	Resolve(ctx context.Context, image string, p ocispecs.Platform) (layers.Chain, error)
	Files(ctx context.Context, image string, layer layers.Layer) (layers.Files, error)
}

// Linker links the steps of jobs.
type Linker struct {
	Plan     *plan.Plan
	Builder  Builder
	Registry Registry
	// Platform is the one that is built for where a job has none; nil where that is not known.
	Platform *ocispecs.Platform
}

// Step is what was found out of a step of some jobs.
type Step struct {
	// Text is the step as the Dockerfile has it; empty where it is about whole jobs.
	Text string `json:"step,omitempty"`
	Line int    `json:"line,omitempty"`
	// Why says why it is not linked; empty where it is.
	Why string `json:"not_linked_since,omitempty"`
	// Jobs is in how many it is so.
	Jobs int `json:"jobs"`
}

// cached is why nothing is linked of a job that wants its cache as it is.
const cached = "its cache comes from elsewhere or goes there, and BuildKit finds what is linked only in one that is exported with mode=max"

// How many jobs are looked at together: their definitions are held meanwhile.
const together = 1000

// Link links what can be linked of some jobs of the plan, and tells of all steps that copy
// something in the last stage. Where it is not to be found out, a job is left as it is.
func (l Linker) Link(ctx context.Context, jobs []*plan.Job) []Step {
	var r report
	bases := newBases(l.Registry, l.Platform)
	for some := range slices.Chunk(l.fit(jobs, &r), together) {
		l.link(ctx, some, bases, &r)
	}
	return r.steps()
}

// fit returns those of some jobs of which something may be linked, by their Dockerfiles alone.
func (l Linker) fit(jobs []*plan.Job, r *report) (fit []*subject) {
	type key struct {
		source *plan.Source
		target string
	}
	known := map[key]*link.Dockerfile{}
	apart := l.apart()
	for _, job := range jobs {
		k := key{job.Source, job.Options.Target}
		d, is := known[k]
		if text := job.Source.Dockerfile(); !is && text != nil {
			d, _ = link.Parse(text, job.Options.Target) // the run will tell what is wrong with it
			known[k] = d
		}
		switch {
		case d == nil || len(d.Copies()) == 0 || !job.Pushes() || job.Options.Attests["sbom"] != nil:
			// There is nothing to link, or its base image is needed all the same.
		case d.Runs():
			r.copies(d, link.BesideRun)
		case job.CacheWantsPlain():
			r.copies(d, cached)
		case attestsDockerfile(job):
			r.job("its provenance has the Dockerfile in it, which would be the linked one (mode=min has not)")
		case apart[job]:
			r.job("it is built together with another job")
		case l.Platform == nil && len(job.Options.Platforms) == 0:
			r.job("it is not known for which platform it will be built: --platform says that")
		default:
			fit = append(fit, &subject{job: job, dockerfile: d})
		}
	}
	return fit
}

// apart are the jobs that are built on others of the plan, or others on them, in the same build.
func (l Linker) apart() map[*plan.Job]bool {
	apart := map[*plan.Job]bool{}
	for _, job := range plan.WithLinked(l.Plan.Jobs) {
		for _, linked := range job.Links {
			apart[job], apart[linked] = true, true
		}
	}
	return apart
}

// subject is a job of which something may be linked.
type subject struct {
	job        *plan.Job
	dockerfile *link.Dockerfile
	made       map[string]builder.Recipe // by platform
	chains     map[string]link.Chain
	verdicts   map[string][]link.Verdict
	edits      []link.Edit
	linked     *plan.Job
	written    map[string]string // as plan.Proved has it
}

func (l Linker) link(ctx context.Context, fit []*subject, bases *bases, r *report) {
	subjects := l.ask(ctx, fit, r)
	watch := link.NewWatch()
	for _, s := range subjects {
		for _, c := range s.chains {
			c.Watch(watch)
		}
	}
	bases.read(ctx, watch, subjects)
	subjects = slices.DeleteFunc(subjects, func(s *subject) bool {
		s.prove(bases)
		return !l.rewrite(s, r)
	})
	l.confirm(ctx, subjects, r)
}

// ask asks how images are made, and returns those of which something may be linked.
func (l Linker) ask(ctx context.Context, fit []*subject, r *report) []*subject {
	err := l.recipes(ctx, fit, func(s *subject) *plan.Job { return s.job }, func(s *subject, made map[string]builder.Recipe, err error) {
		if err != nil {
			return // the run will tell
		}
		if err := s.read(made); err != nil {
			r.job(err.Error())
		}
	})
	if err != nil {
		return nil // the run will tell
	}
	return slices.DeleteFunc(fit, func(s *subject) bool {
		hopeless := !s.hopes()
		if hopeless {
			r.kept(s)
		}
		return hopeless
	})
}

// recipes has the builder tell how the images of a job of each subject are made. What it tells
// may be found by several goroutines at once.
func (l Linker) recipes(ctx context.Context, subjects []*subject, job func(*subject) *plan.Job, found func(*subject, map[string]builder.Recipe, error)) error {
	of := map[*plan.Job]*subject{}
	var jobs []*plan.Job
	for _, s := range subjects {
		of[job(s)] = s
		jobs = append(jobs, job(s))
	}
	return l.Builder.Recipes(ctx, jobs, func(job *plan.Job, made map[string]builder.Recipe, err error) { found(of[job], made, err) })
}

// read reads how the job's images are made.
func (s *subject) read(made map[string]builder.Recipe) (err error) {
	chains := map[string]link.Chain{}
	for platform, m := range made {
		if m.Steps == nil {
			continue
		}
		if chains[platform], err = link.Read(m.Steps, s.dockerfile); err != nil {
			return err
		}
	}
	s.made, s.chains, s.verdicts = made, chains, map[string][]link.Verdict{}
	return nil
}

// hopes tells whether anything may be linked, for all platforms.
func (s *subject) hopes() bool {
	for _, c := range s.chains {
		if c.Image == "" || !slices.ContainsFunc(c.Steps, func(s link.Step) bool { return s.IsCandidate() }) {
			return false
		}
	}
	return len(s.chains) > 0
}

// prove finds out which steps can be linked.
func (s *subject) prove(bases *bases) {
	for platform, c := range s.chains {
		tree, why := bases.tree(c)
		if tree == nil {
			s.verdicts[platform] = c.Unknown(why)
			continue
		}
		s.verdicts[platform] = c.Prove(tree, func(copied link.Copied) ([]link.Root, bool) { return builder.Copied(s.job, copied) })
	}
}

// rewrite has the job have a Dockerfile in which those steps are linked that can be for all
// platforms. It tells whether there are any, and reports why others are not.
func (l Linker) rewrite(s *subject, r *report) bool {
	byLine := map[int]link.Edit{}
	why := map[int]string{}
	var lines []int
	for _, verdicts := range s.verdicts {
		for _, v := range verdicts {
			if !slices.Contains(lines, v.Line) {
				lines = append(lines, v.Line)
			}
			first, seen := byLine[v.Line]
			switch {
			case v.Why != "":
				why[v.Line] = v.Why
			case seen && !first.Equal(v.Edit):
				why[v.Line] = "its owner has other numbers on other platforms"
			}
			byLine[v.Line] = v.Edit
		}
	}
	for _, line := range lines {
		switch {
		case why[line] == "":
			s.edits = append(s.edits, byLine[line])
		case line > 0:
			r.step(s.dockerfile, line, why[line])
		}
	}
	if len(s.edits) == 0 {
		return false
	}
	text, err := s.dockerfile.Linked(s.edits)
	if err == nil {
		s.linked, err = plan.Rewritten(l.Plan, s.job, text)
	}
	if err != nil {
		s.refuse(r, err)
	}
	return err == nil
}

// refuse reports why nothing is linked of what could be.
func (s *subject) refuse(r *report, err error) {
	for _, e := range s.edits {
		r.step(s.dockerfile, e.Line, err.Error())
	}
}

// confirm has the builder tell how the images are made by the changed Dockerfiles, and takes
// these where that is the same with the steps linked.
func (l Linker) confirm(ctx context.Context, subjects []*subject, r *report) {
	_ = l.recipes(ctx, subjects, func(s *subject) *plan.Job { return s.linked }, func(s *subject, made map[string]builder.Recipe, err error) {
		if err == nil {
			err = s.same(made)
		}
		if err != nil {
			s.refuse(r, err)
			return
		}
		s.take()
		for _, e := range s.edits {
			r.step(s.dockerfile, e.Line, "")
		}
	})
}

// take has the job be built with its steps linked, as long as its base image is the same.
func (s *subject) take() {
	plain := *s.job
	proved := plan.Proved{Plain: &plain, Written: s.written}
	for _, c := range s.chains {
		proved.Images = append(proved.Images, c.Image)
	}
	*s.job = *s.linked
	s.job.Proved = &proved
}

// same makes sure that images that are made otherwise are made the same.
func (s *subject) same(made map[string]builder.Recipe) error {
	if len(made) != len(s.made) {
		return fmt.Errorf("the builder tells of %d images, and of %d without links", len(made), len(s.made))
	}
	s.written = map[string]string{}
	for platform, plain := range s.made {
		linked := made[platform]
		verdicts := slices.DeleteFunc(slices.Clone(s.verdicts[platform]), func(v link.Verdict) bool {
			return !slices.ContainsFunc(s.edits, func(e link.Edit) bool { return e.Line == v.Line })
		})
		written, err := link.Same(plain.Steps, linked.Steps, verdicts)
		if err != nil {
			return err
		}
		maps.Copy(s.written, written)
		if err := link.SameConfig(plain.Config, linked.Config); err != nil {
			return fmt.Errorf("the config: %w", err)
		}
	}
	return nil
}

// attestsDockerfile tells whether the job's provenance has its Dockerfile in it: where it is asked
// for, and not for less (NewProvenanceCreator in BuildKit's solver/llbsolver/provenance.go).
func attestsDockerfile(job *plan.Job) bool {
	provenance := job.Options.Attests["provenance"]
	return provenance != nil && !slices.Contains(strings.Split(*provenance, ","), "mode=min")
}
