package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/redact"
)

// assembling makes an image of what registries have, where it is proved that this gives
// what the builder would make, and has all others built.
type assembling struct {
	next    attempter
	recipes *recipes
	redact  *redact.Redactor
	journal *journal.Journal
}

func (s assembling) attempt(ctx context.Context, a *attempt) error {
	if recipe := s.recipes.ready(a.assembly); recipe != nil && !a.noCache {
		err := s.assemble(ctx, a, recipe)
		switch {
		case err == nil:
			return nil
		case s.recipes.Mode == assemble.ByRegistry:
			return redacted(s.redact, s.recipes.insist(err))
		case ctx.Err() != nil || isThrottled(err):
			return redacted(s.redact, err)
		}
		a.result = builder.Result{}
		fmt.Fprintf(a.log, "It cannot be assembled, and is built instead: %s\n\n", err)
	}
	if err := s.recipes.refused(a.assembly); err != nil {
		return redacted(s.redact, err)
	}
	var built *graph.Linked
	told := a.told.graph
	a.told.graph = func(g graph.Graph) {
		built = g.Linked
		told(g)
	}
	err := s.next.attempt(ctx, a)
	a.told.graph = told
	if err != nil {
		return err
	}
	return redacted(s.redact, s.recipes.study(ctx, a, built))
}

// assemble makes the image. Nothing of it goes through the builder.
func (s assembling) assemble(ctx context.Context, a *attempt, recipe *assemble.Recipe) error {
	start := time.Now()
	defer func() { a.build = time.Since(start) }()
	fmt.Fprintf(a.log, "Assembling %s on %s: its own layers are those of %s.\n", a.job.Name, a.assembly.linked.Base.Ref, recipe.From)
	on, err := s.recipes.base(ctx, a.assembly)
	a.result.Phases.Resolve = time.Since(start).Seconds()
	if err != nil {
		return err
	}
	image, err := recipe.Make(on.layers, a.assembly.linked, a.job.Options.BuildArgs)
	if err != nil {
		return unfit(err)
	}
	pushing := time.Now()
	layers := recipe.LayersOn(on.layers, on.ref)
	copied, err := s.recipes.Images.Push(ctx, a.job.Tags, image, layers, a.alive)
	pushed := time.Since(pushing).Seconds()
	a.result.Phases.Push, a.result.PushSeconds = pushed, pushed
	if err != nil {
		return err
	}
	a.result.Assembled = true
	setImage(&a.result, image, on.platform)
	fmt.Fprintf(a.log, "%s of the base image and %s of its own, %s.\nPushed %s as %s.\n", plural.Of(len(on.layers), "layer"),
		plural.Of(len(recipe.Layers), "layer"), copiedText(copied), a.result.Digest, a.job.Tags[0])
	s.journal.Tell(journal.Assembled{Job: a.job.Name, Attempt: a.number, Digest: a.result.Digest, Layers: len(layers), CopiedBytes: copied})
	return nil
}

func copiedText(bytes int64) string {
	if bytes == 0 {
		return "none of which was moved"
	}
	return fmt.Sprintf("of which %s were copied from registry to registry", bytesize.Text(bytes))
}

// setImage notes what a builder would tell of an image.
func setImage(r *builder.Result, image assemble.Image, p ocispecs.Platform) {
	d := image.Descriptor()
	d.Platform = &p
	r.Descriptor, r.Digest, r.ConfigDigest = &d, d.Digest.String(), image.ConfigDigest().String()
}

// freeAssembled has the jobs of a key that wait need nothing of the cache any more: it is
// proved that they are assembled.
func (r *run) freeAssembled(key assemble.Key) {
	r.scheduler.call(func() {
		for _, t := range r.scheduler.waiting() {
			if t.known.assembly == nil || t.known.assembly.key != key {
				continue
			}
			r.needs.Learn(t.number, graph.Graph{})
			for _, p := range r.scheduler.places {
				p.node.Know([]node.Job{{Number: t.number, Kind: t.job.Kind, Nothing: true}})
				p.freed.Store(true)
			}
		}
	})
}

// waiting are the tasks that no attempt has been made at.
func (s *scheduler) waiting() []*task {
	waiting := slices.Clone(s.queue)
	for _, p := range s.places {
		if p.head != nil {
			waiting = append(waiting, p.head)
		}
	}
	return slices.DeleteFunc(waiting, func(t *task) bool { return t.tries.attempt > 0 })
}
