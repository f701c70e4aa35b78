package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/redact"
)

// shelf is a registry in memory.
type shelf struct {
	built  map[string]assemble.Image // by repository
	pushed []string
	fails  error // of pushes
	silent bool  // it tells of no image
	larger bool  // bases have a layer more than their configurations tell
}

func (s *shelf) Image(_ context.Context, ref, _ string) (assemble.Image, error) {
	name, _, _ := strings.Cut(ref, ":")
	image, there := s.built[name]
	if !there || s.silent {
		return image, errors.New("no such image")
	}
	return image, nil
}

func (s *shelf) Manifest(_ context.Context, ref, _ string) ([]byte, error) {
	if s.larger {
		return manifestOf("", ref, "more"), nil
	}
	return manifestOf("", ref), nil
}

func (s *shelf) Push(_ context.Context, tags []string, _ assemble.Image, _ []assemble.Layer, _ func()) (int64, error) {
	if s.fails == nil {
		s.pushed = append(s.pushed, tags...)
	}
	return 0, s.fails
}

// manifestOf is that of an image of some layers.
func manifestOf(config string, layers ...string) []byte {
	m := ocispecs.Manifest{MediaType: ocispecs.MediaTypeImageManifest, Config: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageConfig,
		Digest: digest.FromString(config), Size: int64(len(config))}}
	m.SchemaVersion = 2
	for _, l := range layers {
		m.Layers = append(m.Layers, ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayerGzip, Digest: digest.FromString(l), Size: 1})
	}
	text, _ := json.MarshalIndent(m, "", "  ")
	return text
}

// configOf is a configuration with the layers of some names, that has or lacks the linked one.
func configOf(base, label string, own bool) string {
	ids, created := fmt.Sprintf("%q", digest.FromString("unpacked "+base)), ""
	if own {
		ids, created = ids+fmt.Sprintf(",%q", digest.FromString("unpacked own")), `"created":"2024-01-01T00:00:00Z",`
	}
	return fmt.Sprintf(`{"architecture":"amd64","config":{"Labels":{"a":%q}},"os":"linux","rootfs":{"type":"layers","diff_ids":[%s]},"history":[{"created":"2020-01-01T00:00:00Z"},{%s"created_by":"COPY"}]}`,
		label, ids, created)
}

// workshop is the making of images in a registry in memory, by a builder that counts.
type workshop struct {
	*shelf
	assembling
	warnings []string
	proved   int
	builds   int
	builder  func(job string, image *assemble.Image) // may make something else
}

func newWorkshop(mode assemble.Mode, jobs int) *workshop {
	b := &workshop{shelf: &shelf{built: map[string]assemble.Image{}}, builder: func(string, *assemble.Image) {}}
	r := newRecipes(AssembleOptions{Mode: mode, Images: b.shelf}, func(_, format string, args ...any) {
		b.warnings = append(b.warnings, fmt.Sprintf(format, args...))
	}, func(assemble.Key) { b.proved++ })
	r.of(&assembly{key: "key"}).jobs.Store(int32(jobs))
	b.assembling = assembling{maker{b}, r, redact.New(), journal.New()}
	return b
}

// maker is a builder: it pushes the image of a job, as BuildKit would.
type maker struct{ *workshop }

func (b maker) attempt(_ context.Context, a *attempt) error {
	b.builds++
	base := a.assembly.linked.Base.Ref
	config := configOf(base, a.job.Name, true)
	image := assemble.Image{MediaType: ocispecs.MediaTypeImageManifest, Manifest: manifestOf(config, base, "own"), Config: []byte(config)}
	b.workshop.builder(a.job.Name, &image)
	b.built[a.job.Name] = image
	a.result = builder.Result{Digest: image.Descriptor().Digest.String()}
	a.told.graph(graph.Graph{Linked: a.assembly.linked})
	return nil
}

// make makes the image of a job, and tells whether it was assembled.
func (b *workshop) make(t *testing.T, job string) (assembled bool, log string, err error) {
	t.Helper()
	var text bytes.Buffer
	base := job + "-base"
	a := &attempt{job: &plan.Job{Name: job, Tags: []string{job + ":1"}}, log: &text, alive: func() {}, told: teller{graph: func(graph.Graph) {}},
		way: way{assembly: &assembly{key: "key", linked: &graph.Linked{Base: graph.Image{Ref: base, Digest: base},
			Frontend: graph.Frontend{Config: []byte(configOf(base, job, false))}}}}}
	err = b.attempt(t.Context(), a)
	return a.result.Assembled, text.String(), err
}

// The builder makes the first two images of a recipe; the others are assembled.
func TestRecipeIsProved(t *testing.T) {
	b := newWorkshop(assemble.Auto, 4)
	for i, job := range []string{"one", "two", "three", "four"} {
		assembled, log, err := b.make(t, job)
		if err != nil || assembled != (i >= 2) {
			t.Errorf("%s: assembled %v, %v\n%s", job, assembled, err, log)
		}
	}
	if b.builds != 2 || b.proved != 1 || len(b.warnings) > 0 || fmt.Sprint(b.pushed) != "[three:1 four:1]" {
		t.Errorf("%d were built, %v pushed; it was proved %d times, with warnings %q", b.builds, b.pushed, b.proved, b.warnings)
	}
}

// Where the builder makes something else, that is said once, and the builder makes all;
// so it is where what it has made never tells how.
func TestRecipeIsRefuted(t *testing.T) {
	label := func(job string, image *assemble.Image) {
		if job == "two" {
			image.Config = []byte(configOf("two-base", "another", true))
			image.Manifest = manifestOf(string(image.Config), "two-base", "own")
		}
	}
	layer := func(job string, image *assemble.Image) {
		if job == "two" {
			image.Manifest = manifestOf(string(image.Config), "two-base", "other")
		}
	}
	strange := func(job string, image *assemble.Image) {
		image.Manifest = manifestOf(string(image.Config), "strange", "own")
	}
	for want, builder := range map[string]func(string, *assemble.Image){
		`configuration.config.Labels.a is "two", and the builder's "another"`: label,
		"manifest.layers is":                      layer,
		"does not have layer 1 of its base image": strange,
	} {
		b := newWorkshop(assemble.Auto, 4)
		b.builder = builder
		for _, job := range []string{"one", "two", "three", "four"} {
			if assembled, log, err := b.make(t, job); assembled || err != nil {
				t.Errorf("%s: assembled %v, %v\n%s", job, assembled, err, log)
			}
		}
		if len(b.warnings) != 1 || !strings.Contains(b.warnings[0], want) || b.proved > 0 {
			t.Errorf("proved %d times, with the warnings %q, want one of %q", b.proved, b.warnings, want)
		}
	}
}

// Of an image that cannot be compared, as of one whose registry does not answer, nothing
// follows for those like it: the next one serves instead. Where all are to be assembled, it
// fails, and so does each that is like one of which the builder makes something else.
func TestNextOneServes(t *testing.T) {
	larger := func(b *workshop) { b.larger = true }
	silent := func(b *workshop) { b.silent = true }
	other := func(b *workshop) {
		b.builder = func(job string, image *assemble.Image) {
			image.Config = []byte(configOf(job+"-base", "another", true))
			image.Manifest = manifestOf(string(image.Config), job+"-base", "own")
		}
	}
	type odd map[string]func(*workshop) // by job
	for name, tt := range map[string]struct {
		mode   assemble.Mode
		odd    odd
		made   string // b is built, a assembled and - fails
		class  builder.Class
		builds int
	}{
		"the first":               {assemble.Auto, odd{"one": larger}, "bbbaa", "", 3},
		"the second":              {assemble.Auto, odd{"two": larger}, "bbbaa", "", 3},
		"two of them":             {assemble.Auto, odd{"one": larger, "three": larger}, "bbbba", "", 4},
		"a registry":              {assemble.Auto, odd{"two": silent}, "bbbaa", "", 3},
		"the first must":          {assemble.ByRegistry, odd{"one": larger}, "-bbaa", builder.Permanent, 3},
		"the second must":         {assemble.ByRegistry, odd{"two": larger}, "b-baa", builder.Permanent, 3},
		"the last must":           {assemble.ByRegistry, odd{"five": larger}, "bbaa-", builder.Permanent, 2},
		"a registry must":         {assemble.ByRegistry, odd{"two": silent}, "b-baa", builder.Transient, 3},
		"another image":           {assemble.Auto, odd{"two": other}, "bbbbb", "", 5},
		"another image, and must": {assemble.ByRegistry, odd{"two": other}, "b----", builder.Permanent, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWorkshop(tt.mode, 5)
			made := ""
			for _, job := range []string{"one", "two", "three", "four", "five"} {
				b.silent, b.larger, b.builder = false, false, func(string, *assemble.Image) {}
				if odd := tt.odd[job]; odd != nil {
					odd(b)
				}
				assembled, log, err := b.make(t, job)
				switch {
				case err != nil:
					made += "-"
					if class, _ := (&run{}).classify(t.Context(), nil, err); class != tt.class {
						t.Errorf("%s fails as %s: %v\n%s", job, class, err, log)
					}
				case assembled:
					made += "a"
				default:
					made += "b"
				}
			}
			warnings := 1
			if tt.odd["five"] != nil {
				warnings = 0 // its own failure says so
			}
			if made != tt.made || b.builds != tt.builds || len(b.warnings) != warnings {
				t.Errorf("made are %s, want %s, with %d builds and the warnings %q", made, tt.made, b.builds, b.warnings)
			}
		})
	}
}

// A recipe of two jobs is not learned: the builder makes both.
func TestRecipeOfTwo(t *testing.T) {
	b := newWorkshop(assemble.Auto, 2)
	for _, job := range []string{"one", "two"} {
		if _, log, err := b.make(t, job); err != nil || log != "" {
			t.Errorf("%s: %v, and the log says %q", job, err, log)
		}
	}
}

// An image that a registry does not take is built, unless the registry asks for fewer
// requests, or all images are to be assembled.
func TestWhatCannotBeAssembledIsBuilt(t *testing.T) {
	broken, throttled := errors.New("broken"), errors.New("toomanyrequests: later")
	for _, tt := range []struct {
		mode  assemble.Mode
		fails error
		want  error
	}{{assemble.Auto, broken, nil}, {assemble.Auto, throttled, throttled}, {assemble.ByRegistry, broken, broken}} {
		b := newWorkshop(tt.mode, 3)
		for _, job := range []string{"one", "two"} {
			if _, _, err := b.make(t, job); err != nil {
				t.Fatal(err)
			}
		}
		b.fails = tt.fails
		assembled, log, err := b.make(t, "three")
		if !errors.Is(unredacted(err), tt.want) || assembled {
			t.Errorf("%s, %v: assembled %v, %v", tt.mode, tt.fails, assembled, err)
		}
		if built := b.builds == 3; built != (tt.want == nil) || built != strings.Contains(log, "is built instead: broken") {
			t.Errorf("%s, %v: %d builds, and the log says\n%s", tt.mode, tt.fails, b.builds, log)
		}
	}
}

// A base that has moved since it was looked at says nothing of a recipe.
func TestMovedBaseSaysNothing(t *testing.T) {
	b := newWorkshop(assemble.Auto, 4)
	a := &attempt{job: &plan.Job{Name: "one", Tags: []string{"one:1"}}, way: way{assembly: &assembly{key: "key", linked: &graph.Linked{Base: graph.Image{Digest: "was"}}}}}
	err := b.recipes.study(t.Context(), a, &graph.Linked{Base: graph.Image{Digest: "is"}})
	if r := b.recipes.of(a.assembly); err != nil || r.made != nil || r.refuted != nil || r.untold > 0 {
		t.Errorf("it is taken for %+v, %v", r, err)
	}
}

// While two builds are at work that show how images are made, others of their like wait: until
// that is known, or one of the builds has shown nothing.
func TestOthersWaitForTheStudied(t *testing.T) {
	t.Parallel()
	r := newRecipes(AssembleOptions{Images: &shelf{}}, nil, nil)
	a, other := &assembly{key: "key"}, &assembly{key: "other"}
	r.of(a).jobs.Store(FewestAlike)
	r.of(other).jobs.Store(FewestAlike - 1)
	var second func()
	steps := []struct {
		do    func()
		holds bool
	}{
		{func() {}, false},
		{func() { r.begin(a) }, false},
		{func() { r.begin(a)() }, false},
		{func() { second = r.begin(a) }, true},
		{func() { second() }, false},
		{func() { r.of(a).shown.Store(1) }, true}, // the first goes on
		{func() { r.of(a).settled.Store(true) }, false},
	}
	for i, step := range steps {
		r.begin(other)
		step.do()
		if r.holds(a) != step.holds || r.holds(other) || r.holds(nil) {
			t.Errorf("after step %d it is held: %v, and those of which there are too few: %v", i, r.holds(a), r.holds(other))
		}
	}
}

// Why an image is left to the builder is told in words that many have in common, of those alone
// that are only copied onto their base.
func TestLeftToTheBuilder(t *testing.T) {
	const own = "COPY x needs a file"
	pushes := []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"push": "true"}}}
	for name, tt := range map[string]struct {
		known     knowledge
		exports   []client.ExportEntry
		platforms int
		left      string
		pushed    string
	}{
		"assembled":          {known: knowledge{copies: true, linked: true, assembly: &assembly{}}, exports: pushes},
		"a RUN":              {known: knowledge{byBuilder: own}, exports: pushes},
		"linked":             {known: knowledge{copies: true, linked: true, byBuilder: "annotated"}, exports: pushes, left: "annotated", pushed: "annotated"},
		"not linked":         {known: knowledge{copies: true, byBuilder: own}, exports: pushes, left: notLinked, pushed: notLinked},
		"not as asked":       {known: knowledge{copies: true, byBuilder: own, asked: "annotated"}, exports: pushes, left: "annotated; and " + notLinked, pushed: "annotated; and " + notLinked},
		"not pushed":         {known: knowledge{copies: true, byBuilder: own}},
		"linked, not pushed": {known: knowledge{copies: true, linked: true, byBuilder: "no output"}, left: "no output"},
		"several platforms":  {known: knowledge{copies: true, byBuilder: "for several"}, exports: pushes, platforms: 2, left: "for several", pushed: "for several"},
		"asked for":          {known: knowledge{copies: true, byBuilder: asAsked}, exports: pushes, left: asAsked},
	} {
		job := &plan.Job{}
		job.Options.Exports, job.Options.Platforms = tt.exports, make([]ocispecs.Platform, tt.platforms)
		if left, pushed := tt.known.left(job), tt.known.notAssembled(job); left != tt.left || pushed != tt.pushed {
			t.Errorf("%s: left since %q, and pushed since %q, want %q and %q", name, left, pushed, tt.left, tt.pushed)
		}
	}
}
