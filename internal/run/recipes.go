package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// Images reads and writes images in registries. What fails is tried again where that may
// help.
type Images interface {
	// Image returns what a reference stands for, for a platform.
	Image(ctx context.Context, ref, platform string) (assemble.Image, error)
	// Manifest returns the manifest of a base image, which is named by its digest.
	Manifest(ctx context.Context, ref, platform string) ([]byte, error)
	// Push puts an image into the repositories of its tags, and returns how many bytes
	// were copied for that; alive is called as they are, from several goroutines.
	Push(ctx context.Context, tags []string, image assemble.Image, layers []assemble.Layer, alive func()) (copied int64, err error)
}

// AssembleOptions say which images are assembled in their registries, instead of being
// built.
type AssembleOptions struct {
	Mode    assemble.Mode
	Attests assemble.Attests
	Images  Images // nil to assemble none
}

// assembly is what is known of a job's image that can be assembled.
type assembly struct {
	key    assemble.Key
	linked *graph.Linked
}

// assemblyOf tells how a job's image is assembled, or why it is not.
func (o AssembleOptions) assemblyOf(job *plan.Job, g graph.Graph) (*assembly, string) {
	if o.Mode == assemble.ByBuilder {
		return nil, asAsked
	}
	key, why := assemble.KeyOf(job, &g, o.Attests)
	if why != "" {
		return nil, why
	}
	return &assembly{key, g.Linked}, ""
}

// FewestAlike is of how many jobs there are at least, where a recipe is worth to be learned: the
// builder makes the images of the first two.
const FewestAlike = 3

// recipes are how images are assembled, by the keys of their jobs. It may be used by
// several goroutines.
type recipes struct {
	AssembleOptions
	warn   func(job, format string, args ...any)
	proved func(assemble.Key) // is told of a recipe that is proved, once

	mu    sync.Mutex // guards known
	known map[assemble.Key]*recipe
}

// recipe is one, and what is known of it.
type recipe struct {
	jobs     atomic.Int32
	studying atomic.Int32 // builds at work that will show how its images are made
	shown    atomic.Int32 // builds that have shown it
	settled  atomic.Bool  // nobody has to wait for what comes of it

	mu      sync.Mutex       // guards what follows; held while one is learned or proved
	made    *assemble.Recipe // nil until it is learned
	proved  bool
	refuted error // says what the builder makes otherwise; nil where that was not seen
	untold  int   // builds that have not shown how images are made
}

func newRecipes(o AssembleOptions, warn func(job, format string, args ...any), proved func(assemble.Key)) *recipes {
	return &recipes{AssembleOptions: o, warn: warn, proved: proved, known: map[assemble.Key]*recipe{}}
}

// of returns the recipe for an assembly.
func (r *recipes) of(a *assembly) *recipe {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[a.key] == nil {
		r.known[a.key] = &recipe{}
	}
	return r.known[a.key]
}

// count counts jobs that may be assembled.
func (r *recipes) count(tasks []*task) {
	for _, t := range tasks {
		if a := t.known.assembly; a != nil {
			r.of(a).jobs.Add(1)
		}
	}
}

// studies is how many builds show how the images of a recipe are made.
const studies = 2

// begin notes that an attempt at a job begins; end is to be called when it has ended.
func (r *recipes) begin(a *assembly) (end func()) {
	if a == nil {
		return func() {}
	}
	known := r.of(a)
	known.studying.Add(1)
	return func() { known.studying.Add(-1) }
}

// holds tells that a job is better left in the queue for now: builds are at work that will
// show whether its image can be assembled, as many as are still needed for that. To build more
// meanwhile would only slow these down.
func (r *recipes) holds(a *assembly) bool {
	if a == nil || r.Images == nil {
		return false
	}
	known := r.of(a)
	return known.jobs.Load() >= FewestAlike && !known.settled.Load() && known.shown.Load()+known.studying.Load() >= studies
}

// ready returns the recipe for an assembly, once it is proved; else nil.
func (r *recipes) ready(a *assembly) *assemble.Recipe {
	if a == nil || r.Images == nil {
		return nil
	}
	known := r.of(a)
	known.mu.Lock()
	defer known.mu.Unlock()
	if !known.proved {
		return nil
	}
	return known.made
}

// study learns from what the builder has made of a job's image: from the first of its like
// how others are assembled, from the next whether that gives the same. What was built is
// the graph that the build told. Where all are to be assembled, it returns why this one
// cannot be.
func (r *recipes) study(ctx context.Context, a *attempt, built *graph.Linked) error {
	if a.assembly == nil || r.Images == nil || built == nil || built.Base.Digest != a.assembly.linked.Base.Digest {
		return nil // or its base has moved, and it is another image
	}
	proved, err := r.prove(ctx, a, r.of(a.assembly))
	if proved {
		r.proved(a.assembly.key)
	}
	return r.insist(err)
}

// prove compares where that is still to be done, and tells whether the recipe is proved by
// that. Where an image cannot be compared, which may be its own base's or a registry's
// doing, the next of its like is.
func (r *recipes) prove(ctx context.Context, a *attempt, known *recipe) (proved bool, err error) {
	known.mu.Lock()
	defer known.mu.Unlock()
	if known.proved || known.refuted != nil || known.jobs.Load() < FewestAlike {
		return false, nil
	}
	difference, err := r.compare(ctx, a, known)
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err != nil:
		known.untold++
		fmt.Fprintf(a.log, "\nThis does not tell how images like it are assembled: %s\n", err)
		if known.untold == 1 {
			r.warn(a.job.Name, "this image does not tell how those like it are assembled, and the next of them is built to learn that: %s", err)
		}
	case difference != "":
		known.refuted = unfit(fmt.Errorf("one like it that is assembled is another than the builder's: %s", difference))
		fmt.Fprintf(a.log, "\nImages like this are not assembled: %s\n", difference)
		r.warn(a.job.Name, "images like this one are not assembled, since one that is assembled is another: %s", difference)
		err = known.refuted
	}
	known.settled.Store(known.proved || known.refuted != nil || r.Mode != assemble.ByRegistry && known.untold >= studies)
	return known.proved, err
}

// compare learns a recipe, or compares what it makes with what the builder has made, and
// says what differs. The caller holds the recipe's mu.
func (r *recipes) compare(ctx context.Context, a *attempt, known *recipe) (difference string, err error) {
	made, err := r.Images.Image(ctx, a.job.Tags[0]+"@"+a.result.Digest, "")
	if err != nil {
		return "", err
	}
	if made.Descriptor().Digest.String() != a.result.Digest {
		return "", unfit(errors.New("the builder has not pushed a plain image, but an index"))
	}
	base, err := r.base(ctx, a.assembly)
	if err != nil {
		return "", err
	}
	recipe, first := known.made, known.made == nil
	if first {
		if recipe, err = assemble.Learn(a.job.Tags[0], made, base.layers); err != nil {
			return "", unfit(err)
		}
	}
	assembled, err := recipe.Make(base.layers, a.assembly.linked, a.job.Options.BuildArgs)
	if err != nil {
		return "", unfit(err)
	}
	if difference = assemble.Differ(assembled, made); difference == "" {
		known.made, known.proved = recipe, !first
		known.shown.Add(1)
		fmt.Fprintf(a.log, "\n%s\n", studied(first))
	}
	return difference, nil
}

func studied(first bool) string {
	if first {
		return "Its layers above the base image are what images like it are assembled of, once another has shown that this gives the same."
	}
	return "Assembled, it would be the same but for times. Images like it are assembled from now on."
}

// base is a base image as an assembled image needs it.
type base struct {
	ref      string
	platform ocispecs.Platform
	layers   []ocispecs.Descriptor
}

// base asks for the base image of an assembly.
func (r *recipes) base(ctx context.Context, a *assembly) (base, error) {
	b := base{ref: a.linked.Base.Ref}
	var err error
	if b.platform, err = assemble.PlatformOf(a.linked.Frontend.Config); err != nil {
		return b, unfit(err)
	}
	manifest, err := r.Images.Manifest(ctx, b.ref, platforms.FormatAll(b.platform))
	if err != nil {
		return b, err
	}
	if b.layers, err = assemble.BaseOf(manifest); err != nil {
		return b, unfit(err)
	}
	return b, nil
}

// unfitError says of an image why it cannot be assembled, whatever its registry says.
type unfitError struct{ error }

func (e *unfitError) Unwrap() error { return e.error }

func unfit(why error) error { return &unfitError{why} }

// insist returns why a job fails that cannot be assembled, where all are to be; else nil.
func (r *recipes) insist(why error) error {
	switch {
	case r.Mode != assemble.ByRegistry:
		return nil
	case errors.As(why, new(*unfitError)):
		return unfit(fmt.Errorf(mustBe, why))
	}
	return why
}

// mustBe is why a job fails that cannot be assembled, where all are to be.
const mustBe = "--assemble registry: it cannot be assembled, since %w; with --assemble auto the builder makes it"

// refused is why there is no sense in building a job, where all are to be assembled: the
// builder makes another image of its like.
func (r *recipes) refused(a *assembly) error {
	if a == nil || r.Images == nil {
		return nil
	}
	known := r.of(a)
	known.mu.Lock()
	defer known.mu.Unlock()
	return r.insist(known.refuted)
}

// mustBeAssembled is why a job fails of which it is known from the start that it cannot be
// assembled, where all are to be.
func (r *recipes) mustBeAssembled(t *task) error {
	if r.Mode != assemble.ByRegistry || t.known.assembly != nil || t.known.byBuilder == "" {
		return nil
	}
	return fmt.Errorf(mustBe, errors.New(t.known.byBuilder))
}

// findAssemblies notes which tasks' images are assembled, once it is known who is built on
// whom.
func (r *run) findAssemblies(tasks []*task) {
	open := slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return t.done() || t.early != nil })
	for _, t := range open {
		if len(t.heirs) > 0 && t.known.assembly != nil {
			t.known.assembly, t.known.byBuilder = nil, "other images of this run are built on it"
		}
		if err := r.recipes.mustBeAssembled(t); err != nil && t.isOpen() {
			t.early = err
		}
	}
	r.recipes.count(open)
}
