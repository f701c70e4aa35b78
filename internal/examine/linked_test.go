package examine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// linkedJob is the job "app", built on "base" in the same build, each with a directory and a
// Dockerfile of its own.
func linkedJob(t *testing.T, app, base string) *plan.Job {
	t.Helper()
	t.Chdir(t.TempDir())
	target := func(name, dockerfile string) plan.Target {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(name, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
			t.Fatal(err)
		}
		return plan.Target{Name: name, Options: build.Options{BuildArgs: map[string]string{}, Inputs: build.Inputs{ContextPath: name}}}
	}
	low, top := target("base", base), target("app", app)
	low.Linked = true
	top.Options.Inputs.NamedContexts = map[string]build.NamedContext{"base": {Path: "target:base"}}
	p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, []plan.Target{low, top})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p.Jobs[0]
}

// What a step demands is asked of the target in whose Dockerfile it stands, and told there;
// where it is not told whose it is, what any of them is given counts.
func TestDemandsOfLinked(t *testing.T) {
	app := linkedJob(t, "FROM base\n", "FROM x\nRUN --mount=type=secret,id=zz,required true\n")
	base := app.Links["base"]
	demand := graph.Demand{Kind: graph.Secret, Name: "zz", Line: 2, Dockerfile: digest.FromBytes(base.Source.Dockerfile())}
	for name, tt := range map[string]struct {
		given  *plan.Job
		demand graph.Demand
		want   bool
	}{
		"to none": {nil, demand, true}, "to the wrong one": {app, demand, true}, "to the right one": {base, demand, false},
		"to one of all": {base, graph.Demand{Kind: graph.Secret, Name: "zz"}, false},
	} {
		app.Options.SecretSpecs, base.Options.SecretSpecs = nil, nil
		if tt.given != nil {
			tt.given.Options.SecretSpecs = buildflags.Secrets{{ID: "zz"}}
		}
		f, is := ungiven(tt.demand, app)
		if f = whose(f, tt.demand, app); is != tt.want || is && fmt.Sprintf("%v %v %s: %s", f.Jobs, f.Places, f.Text, f.Hint) !=
			`[app] [base/Dockerfile:2] a step requires the secret "zz", and no secret of the target base has that id: give it with secret = ["id=zz,src=FILE"] in the bake file, or with --set 'base.secret+=id=zz,src=FILE'` {
			t.Errorf("%s: %v, %+v", name, is, f)
		}
	}
}

// What a target copies and its context does not have is told of the jobs that are built on
// it, in its own Dockerfile.
func TestCopiesOfLinked(t *testing.T) {
	app := linkedJob(t, "FROM base\nCOPY none /\n", "FROM x\nCOPY nofile /\n")
	var got string
	for _, f := range copies(t.Context(), []*plan.Job{app}, platforms.DefaultSpec()) {
		got += fmt.Sprintln(f.Text, f.Jobs, f.Places)
	}
	const want = "/nofile is copied, and not in the build context [app] [base/Dockerfile:2]\n/none is copied, and not in the build context [app] [app/Dockerfile:2]\n"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// The Dockerfile of what jobs are built on is checked, too, and told of those.
func TestLintedOfLinked(t *testing.T) {
	app := linkedJob(t, "FROM base\n", "FROM x\n")
	var got []string
	for _, kind := range lintedOf([]*plan.Job{app}) {
		got = append(got, fmt.Sprint(kind[0].Name, namesOf(kind)))
	}
	if want := []string{"base[app]", "app[app]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	base := app.Links["base"]
	if kinds := lintedOf([]*plan.Job{base, app}); fmt.Sprint(namesOf(kinds[0])) != "[base]" {
		t.Errorf("a job of its own is told as %q", namesOf(kinds[0]))
	}
}

// An image that a Dockerfile does not name is told at the line of the rows that does.
func TestPlacesOfImages(t *testing.T) {
	app := linkedJob(t, "ARG BASE=x\nFROM ${BASE}\n", "FROM r.example/base:1\n")
	app.Origin = plan.Origin{File: "images.txt", Line: 2}
	base := app.Links["base"]
	base.Origin = app.Origin
	for want, j := range map[string]*plan.Job{"[images.txt:2 app/Dockerfile]": app, "[base/Dockerfile:1]": base} {
		if got := fmt.Sprint(placesOf(j, "r.example/base:1")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
