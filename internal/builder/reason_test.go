package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/stoker-build/stoker/internal/plan"
)

func TestInstruction(t *testing.T) {
	const dockerfile = "FROM x\nRUN apt-get update && \\\n    # a comment\n    apt-get   install -y foo\nRUN <<END\nmake\nEND\n  COPY a b  "
	for _, tt := range []struct {
		first, last int
		want        string
	}{
		{1, 1, "FROM x"},
		{2, 4, "RUN apt-get update && apt-get install -y foo"},
		{5, 7, "RUN <<END …"},
		{8, 8, "COPY a b"},
		{8, 80, "COPY a b"},
		{9, 9, ""},
		{0, 0, ""},
	} {
		if got := instruction([]byte(dockerfile), tt.first, tt.last); got != tt.want {
			t.Errorf("lines %d to %d: %q, want %q", tt.first, tt.last, got, tt.want)
		}
	}
}

func TestTrimmed(t *testing.T) {
	for message, want := range map[string]string{
		`failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: "/none": not found`:                  `"/none": not found`,
		`failed to solve: r/a:1: failed to resolve source metadata for r/a:1: r/a:1: not found`:                                       `r/a:1: not found`,
		`failed to solve: r/a:1: failed to resolve source metadata for r/a:1: pull access denied, repository does not exist`:          `r/a:1: pull access denied, repository does not exist`,
		`failed to solve: a: failed to resolve source metadata for docker.io/library/a:latest: docker.io/library/a:latest: not found`: `docker.io/library/a:latest: not found`,
		`failed to push r/a:1: 403 Forbidden`: `failed to push r/a:1: 403 Forbidden`,
	} {
		if got := trimmed(message); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The reasons that no build of the tests gives, and what is known where BuildKit
// does not tell a place.
// The error of a target that others are built on is of its own Dockerfile.
func TestOwnerOf(t *testing.T) {
	low := &plan.Job{Name: "low"}
	mid := &plan.Job{Name: "mid", Links: map[string]*plan.Job{"low": low}}
	top := &plan.Job{Name: "top", Links: map[string]*plan.Job{"default": mid}}
	for message, want := range map[string]*plan.Job{
		"failed to solve: x": top, "target default.: failed": mid, "target low: failed": low, "target other: failed": top,
	} {
		if got := ownerOf(top, errors.New(message)); got != want {
			t.Errorf("%q is of %s, want %s", message, got.Name, want.Name)
		}
	}
}

func TestReasonOf(t *testing.T) {
	const frame = `failed to solve: process "/bin/sh -c make" did not complete successfully: `
	placed := func(err error) error {
		return errdefs.WithSource(err, &errdefs.Source{
			Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM x\nUSER nobodyhere\nRUN make\n")},
			Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 3}}},
		})
	}
	step := func(err error, output ...string) error {
		return &stepError{error: err, step: "RUN make", output: output}
	}
	exit := func(code uint32, why string) error {
		return &gwpb.ExitError{ExitCode: code, Err: errors.New(frame + why)}
	}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"silent":        {placed(step(exit(3, "exit code: 3"))), "Dockerfile:3: RUN make: exit code: 3"},
		"no place":      {step(exit(3, "exit code: 3"), "oops"), "RUN make: exit code: 3: oops"},
		"out of memory": {placed(step(exit(137, "cannot allocate memory"), "Killed")), "Dockerfile:3: RUN make: exit code: 137: it ran out of memory and was killed"},
		"no such user":  {placed(step(errors.New(frame + "unable to find user x: no matching entries"))), "Dockerfile:3: RUN make: the image does not have the user: unable to find user x: no matching entries"},
		"not started":   {placed(step(exit(255, "runc run failed: x"))), "Dockerfile:3: RUN make: runc run failed: x"},
		"no step":       {errors.New("failed to solve: failed to push r/a:1: unexpected status: 500"), "failed to push r/a:1: unexpected status: 500"},
	} {
		if got := ReasonOf(nil, tt.err).String(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	for message, image := range map[string]string{
		"failed to solve: r/a:1: failed to resolve source metadata for r/a:1: r/a:1: not found":                    "r/a:1",
		"target base: failed to solve: r/a:1: failed to resolve source metadata for r/a:1: r/a:1: not found":       "r/a:1",
		"failed to solve: r/a:1: failed to resolve source metadata for r/a:1: unexpected status: 401 Unauthorized": "",
		"failed to solve: nothing of the kind: not found":                                                          "",
	} {
		if got := ReasonOf(nil, errors.New(message)).Image; got != image {
			t.Errorf("%s: the image %q, want %q", message, got, image)
		}
	}
	if f := ReasonOf(nil, step(exit(3, "exit code: 3"), "a", "b")); f.Class != string(StepFailed) || f.ExitCode != 3 || len(f.Output) != 2 {
		t.Errorf("%+v", f)
	}
}

// An image that is not there is said so in the same words where a job that others are built
// on is missing it.
func TestImageOfLinked(t *testing.T) {
	missing := errors.New("r/a:1: failed to resolve source metadata for r/a:1: r/a:1: not found")
	const want = noSuchImage + ": r/a:1: not found"
	for _, err := range []error{missing, &LinkedError{"base", missing}, &LinkedError{"mid", &LinkedError{"base", missing}}, fmt.Errorf("target base: failed to solve: %w", missing)} {
		if f := ReasonOf(nil, err); f.String() != want || f.Image != "r/a:1" || f.Class != string(Permanent) {
			t.Errorf("%v: %q of the image %q, class %s, want %q", err, f, f.Image, f.Class, want)
		}
	}
}

// A place that is told of what a job is built on is in the Dockerfile of that.
func TestPlaceInLinked(t *testing.T) {
	dir := t.TempDir()
	target := func(name, from string) plan.Target {
		context := filepath.Join(dir, name)
		if err := os.MkdirAll(context, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte("FROM "+from+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := build.Options{BuildArgs: map[string]string{}, Inputs: build.Inputs{ContextPath: context}}
		if from != "scratch" {
			o.Inputs.NamedContexts = map[string]build.NamedContext{from: {Path: "target:" + from}}
		}
		return plan.Target{Name: name, Options: o}
	}
	p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, []plan.Target{target("low", "scratch"), target("middle", "low"), target("top", "middle")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = parser.WithLocation(errors.New("no such image"), []parser.Range{{Start: parser.Position{Line: 1}, End: parser.Position{Line: 1}}})
	for name, err := range map[string]error{"top": err, "middle": &LinkedError{"middle", err}, "low": &LinkedError{"middle", &LinkedError{"low", err}}} {
		if got, want := ReasonOf(p.Jobs[2], err).File, filepath.Join(dir, name, "Dockerfile"); got != want {
			t.Errorf("%v: the place is in %s, want %s", err, got, want)
		}
	}
}

// A place in a context that the builder fetches is told with its directory.
func TestPlaceInRemote(t *testing.T) {
	target := plan.Target{Name: "base", Options: build.Options{BuildArgs: map[string]string{}, Inputs: build.Inputs{ContextPath: "https://r.example/a.git#main:lib"}}}
	p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, []plan.Target{target})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	app := &plan.Job{Name: "app", Source: p.Jobs[0].Source, Links: map[string]*plan.Job{"base": p.Jobs[0]}}
	err = errdefs.WithSource(errors.New("target base: failed to solve: no"), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM x\nRUN false\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
	})
	if got, want := ReasonOf(app, err).String(), "lib/Dockerfile:2: RUN false: target base: no"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The place of a step that BuildKit tells none of is looked for by what it is called.
func TestPlaceByName(t *testing.T) {
	dir := t.TempDir()
	const text = "FROM x\nARG V\nADD https://r.example/$V \\\n  /a\nADD https://r.example/${V:-none}/b /b\nRUN make\nRUN make\nadd https://r.example/c   /c\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, []plan.Target{{Name: "a", Options: build.Options{BuildArgs: map[string]string{}, Inputs: build.Inputs{ContextPath: dir}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for called, want := range map[string]string{
		"ADD https://r.example/1 /a":     "3 ADD https://r.example/$V /a",
		"ADD https://r.example/1.2/b /b": "5 ADD https://r.example/${V:-none}/b /b",
		"ADD https://r.example/c   /c":   "8 add https://r.example/c /c",
		"RUN make":                       "0 RUN make",
		"exporting to image":             "0 exporting to image",
	} {
		f := ReasonOf(p.Jobs[0], &stepError{error: errors.New("failed to solve: invalid response status 404"), step: called})
		if got := fmt.Sprint(f.Line, " ", f.Step); got != want || (f.Line > 0) != (f.File == filepath.Join(dir, "Dockerfile")) {
			t.Errorf("%s: %s in %q, want %s", called, got, f.File, want)
		}
	}
}

// A step of what jobs are built on fails at one place, whether BuildKit tells that or, as to those
// that waited for another's step, not.
func TestPlaceInInline(t *testing.T) {
	const text = "FROM x\nRUN true\nRUN false\n"
	target := func(name, text string, contexts map[string]build.NamedContext) plan.Target {
		return plan.Target{Name: name, Options: build.Options{BuildArgs: map[string]string{},
			Inputs: build.Inputs{ContextPath: t.TempDir(), DockerfileInline: text, NamedContexts: contexts}}}
	}
	p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, []plan.Target{target("lib", text, nil),
		target("app", "FROM lib\nRUN false\n", map[string]build.NamedContext{"lib": {Path: "target:lib"}})})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	silent := errors.New(`target lib: failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1`)
	told := errdefs.WithSource(silent, &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte(text)},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 3}}},
	})
	for _, err := range []error{silent, told} {
		if got, want := ReasonOf(p.Jobs[1], &stepError{error: err, step: "RUN false"}).String(), "lib: dockerfile-inline:3: RUN false: exit code: 1"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	own := errors.New(`failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1`)
	if got, want := ReasonOf(p.Jobs[1], &stepError{error: own, step: "RUN false"}).Place(), "dockerfile-inline:2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A step that was linked by itself fails as the Dockerfile has it.
func TestStepLinkedByItself(t *testing.T) {
	dir := t.TempDir()
	const linked = "FROM x\nCOPY --link abs \\\n /all/\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM x\nCOPY abs \\\n /all/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := plan.OfTargets(plan.TargetSpec{Name: "file"}, []plan.Target{{Name: "a", Options: build.Options{BuildArgs: map[string]string{}, Inputs: build.Inputs{ContextPath: dir}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	job, err := plan.Rewritten(p, p.Jobs[0], []byte(linked))
	if err != nil {
		t.Fatal(err)
	}
	job.Proved = &plan.Proved{Plain: p.Jobs[0], Written: map[string]string{"COPY --link abs /all/": "COPY abs /all/"}}
	missing := errors.New("failed to solve: lstat /abs: no such file or directory")
	placed := errdefs.WithSource(missing, &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte(linked)},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 3}}},
	})
	for name, err := range map[string]error{"with a place": placed, "without": &stepError{error: missing, step: "COPY --link abs /all/"}} {
		if got := ReasonOf(job, err).Step; got != "COPY abs /all/" {
			t.Errorf("%s, the step is %q", name, got)
		}
	}
}
