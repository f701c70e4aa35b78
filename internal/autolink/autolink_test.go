package autolink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/link/linktest"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/jsonlines"
)

// frontend tells how images are made, as BuildKit's own does; differ changes what it is told
// of Dockerfiles with links.
type frontend struct {
	t      *testing.T
	differ func(dockerfile string) string
	err    error
}

func (f frontend) Recipes(_ context.Context, jobs []*plan.Job, found func(*plan.Job, map[string]builder.Recipe, error)) error {
	for _, job := range jobs {
		text := string(job.Source.Dockerfile())
		if strings.Contains(text, "--link") && f.differ != nil {
			text = f.differ(text)
		}
		def, config := linktest.Definition(f.t, text)
		found(job, map[string]builder.Recipe{"": {Steps: def, Config: config}}, f.err)
	}
	return nil
}

// images are base images of one layer.
type images struct {
	files layers.Files
	err   error
	read  *int
}

func (i images) Resolve(context.Context, string, ocispecs.Platform) (layers.Chain, error) {
	return layers.Chain{Layers: []layers.Layer{{Digest: digest.FromString("layer"), Size: 1 << 30}}}, nil
}

func (i images) Files(context.Context, string, layers.Layer) (layers.Files, error) {
	*i.read++
	return i.files, i.err
}

// planOf is a plan of a job for each Dockerfile.
func planOf(t *testing.T, output string, dockerfiles ...string) *plan.Plan {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	var lines strings.Builder
	for i, text := range dockerfiles {
		name := fmt.Sprintf("job-%d", i)
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(name, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "{\"id\":%q}\n", name)
	}
	in, err := rows.Collect("rows", jsonlines.New(strings.NewReader(lines.String())))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(plan.Spec{Context: "{{.id}}", TagTemplates: []string{"registry.example/{{.id}}:1"}, Outputs: []string{output}}, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestLink(t *testing.T) {
	const step, push = "FROM base\nCOPY --from=other /x /new\n", "type=registry"
	linux := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	for _, tt := range []struct {
		name        string
		output      string
		dockerfiles []string
		anywhere    bool
		provenance  string
		cache       string
		unread      error
		untold      error
		differ      func(string) string
		linked      int // of how many jobs steps are linked
		read        int // how often the layer is
		tells       []string
	}{
		{name: "all", dockerfiles: []string{step, step}, linked: 2, read: 1, tells: []string{"line 2 is linked in 2 jobs: COPY --from=other /x /new"}},
		{name: "some steps", dockerfiles: []string{step + "COPY --chown=me --from=other /y /z\n"}, linked: 1, read: 1,
			tells: []string{"line 2 is linked in 1 job", "line 3 is not linked in 1 job: COPY --chown=me --from=other /y /z: /etc/passwd of the base image is not known"}},
		{name: "one is asked to stay", dockerfiles: []string{step + "COPY --link=false --from=other /y /z\n"}, linked: 1, read: 1,
			tells: []string{"line 2 is linked in 1 job", "line 3 is not linked in 1 job: COPY --link=false --from=other /y /z: the Dockerfile asks for that (--link=false)"}},
		{name: "none can be", dockerfiles: []string{step + "RUN true\n", "FROM scratch\nCOPY --from=other /x /new\n"}, tells: []string{"line 2 is not linked in 1 job: COPY --from=other /x /new: a RUN stands"}},
		{name: "not pushed", output: "type=cacheonly", dockerfiles: []string{step}},
		{name: "too large", dockerfiles: []string{step}, unread: registry.ErrTooLarge, read: 1, tells: []string{"a layer of 1073 MB is too large"}},
		{name: "not there", dockerfiles: []string{step}, unread: errors.New("the registry is out"), read: 1, tells: []string{"what is in its base image is not known: the registry is out"}},
		{name: "not told", dockerfiles: []string{step}, untold: errors.New("no such image")},
		{name: "no platform", dockerfiles: []string{step}, anywhere: true, tells: []string{"for which platform"}},
		{name: "with provenance", dockerfiles: []string{step}, provenance: "type=provenance,mode=min", linked: 1, read: 1, tells: []string{"line 2 is linked in 1 job"}},
		{name: "with the Dockerfile in the provenance", dockerfiles: []string{step}, provenance: "type=provenance,mode=max", tells: []string{"its provenance has the Dockerfile in it"}},
		{name: "with all of the provenance", dockerfiles: []string{step}, provenance: "type=provenance,disabled=false", tells: []string{"its provenance has the Dockerfile in it"}},
		{name: "whose cache is exported", dockerfiles: []string{step}, cache: "min", tells: []string{"line 2 is not linked in 1 job: COPY --from=other /x /new: its cache comes from elsewhere or goes there"}},
		{name: "with all of its cache", dockerfiles: []string{step}, cache: "max", linked: 1, read: 1, tells: []string{"line 2 is linked in 1 job"}},
		{name: "the builder links not", dockerfiles: []string{step}, differ: func(d string) string { return strings.Replace(d, " --link", "", 1) }, read: 1, tells: []string{"the builder does not link line 2"}},
		{name: "the builder makes more", dockerfiles: []string{step}, differ: func(d string) string { return strings.Replace(d, "COPY", "WORKDIR /w\nCOPY", 1) }, read: 1, tells: []string{"something else is different"}},
		{name: "another config", dockerfiles: []string{step}, differ: func(d string) string { return d + "ENV A=b\n" }, read: 1, tells: []string{"the config: something else is different"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.output == "" {
				tt.output = push
			}
			p := planOf(t, tt.output, tt.dockerfiles...)
			plain := make([]string, len(p.Jobs))
			for i, job := range p.Jobs {
				if tt.provenance != "" {
					job.Options.Attests = map[string]*string{"provenance": &tt.provenance}
				}
				if tt.cache != "" {
					job.Options.CacheTo = []client.CacheOptionsEntry{{Type: "registry", Attrs: map[string]string{"mode": tt.cache}}}
				}
				plain[i] = job.Options.Inputs.DockerfilePath
			}
			read := 0
			l := Linker{Plan: p, Builder: frontend{t, tt.differ, tt.untold}, Registry: images{err: tt.unread, read: &read}, Platform: &linux}
			if tt.anywhere {
				l.Platform = nil
			}
			steps := l.Link(t.Context(), p.Jobs)
			linked := 0
			for i, job := range p.Jobs {
				isLinked := strings.Contains(string(job.Source.Dockerfile()), "COPY --link")
				if changed := job.Options.Inputs.DockerfilePath != plain[i]; changed != isLinked || isLinked != (job.Proved != nil) {
					t.Errorf("%s: changed %t, linked %t, proved %+v", job.Name, changed, isLinked, job.Proved)
				}
				if isLinked {
					linked++
					if job.Proved.Plain.Options.Inputs.DockerfilePath != plain[i] || !strings.HasSuffix(job.Proved.Images[0], linktest.Base.String()) {
						t.Errorf("%s is proved by %+v", job.Name, job.Proved)
					}
				}
			}
			if linked != tt.linked || read != tt.read {
				t.Errorf("%d jobs are linked, and the layer was read %d times; want %d and %d", linked, read, tt.linked, tt.read)
			}
			for _, want := range tt.tells {
				if !slices.ContainsFunc(steps, func(s Step) bool { return strings.Contains(s.String(), want) }) {
					t.Errorf("told is %v, want %q", steps, want)
				}
			}
			if len(steps) != len(tt.tells) {
				t.Errorf("told is %v, want %d", steps, len(tt.tells))
			}
		})
	}
}

// What is not for Linux has other rules for files.
func TestOtherSystems(t *testing.T) {
	b := newBases(images{}, &ocispecs.Platform{OS: "windows", Architecture: "amd64"})
	if _, err := b.resolve(t.Context(), link.Chain{}); err == nil || err.Error() != "it is for windows" {
		t.Errorf("error %v", err)
	}
	b = newBases(images{}, nil)
	if _, err := b.resolve(t.Context(), link.Chain{}); err == nil {
		t.Error("an image for no platform is found")
	}
}
