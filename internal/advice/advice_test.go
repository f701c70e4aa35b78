package advice

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
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows/images"
	"github.com/stoker-build/stoker/internal/stepbook"
)

// given is a plan of a Dockerfile on some base images, each of one layer, with the steps that
// BuildKit's frontend makes of it. An earlier run took 10 s and 1 MB for each step, but for
// those that say "unseen".
func given(t *testing.T, dockerfile string, bases int, change func(*plan.Spec)) Given {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644), os.WriteFile(filepath.Join(dir, "a.txt"), nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	var list []images.Image
	for i := range bases {
		list = append(list, images.Image{Line: i + 1, Ref: fmt.Sprintf("r.example/base-%d:1", i)})
	}
	in, err := images.Input("bases.txt", list, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec := plan.Spec{Context: dir, BaseArg: "BASE_IMAGE", TagTemplates: []string{"r.example/agent:{{.Name}}"}, BatchSize: 10, BuildArgs: map[string]string{}}
	if change != nil {
		change(&spec)
	}
	p, err := plan.New(spec, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	offline := builder.Offline{Config: func(_ context.Context, ref string, _ *ocispecs.Platform) (digest.Digest, []byte, error) {
		return digest.FromString(ref), fmt.Appendf(nil, `{"os":"linux","architecture":"amd64","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromString(ref)), nil
	}}
	book, of := stepbook.New(func(s string) string { return s }), map[string][]string{}
	for _, job := range p.Jobs { // one by one, in their order
		err := offline.Graphs(t.Context(), []*plan.Job{job}, func(job *plan.Job, g graph.Graph, err error) {
			if err != nil {
				t.Fatal(err)
			}
			book.Take(job.Source.Name(), g, job.Proved.AsWritten)
			for _, v := range g.Vertices {
				of[v.ID.String()] = append(of[v.ID.String()], job.Name)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	g := Given{Jobs: p.Jobs, Steps: book.Steps(stepbook.Seen{Jobs: func(graph.ID) int { return 1 }}), Learned: ledger.LearnedSteps{}, PullBytes: 5e6}
	for i, s := range g.Steps {
		g.Steps[i].Names = of[s.ID]
		if s.Kind == ledger.StepRun && !strings.Contains(s.Text, "unseen") {
			g.Learned[s.Text] = ledger.LearnedStep{Seconds: 10, Bytes: new(int64(1e6))}
		}
	}
	return g
}

// What is linked by itself needs no advice; of what is not it is said why, and no patch is
// given that may make another image.
func TestAdviceOfCopiesThatLinkThemselves(t *testing.T) {
	const dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /a\nCOPY a.txt /tmp/\n"
	g := given(t, dockerfile, 2, nil)
	g.Keeps = func(line int, text string) (string, bool) {
		if line == 4 && text == "COPY a.txt /tmp/" {
			return "the directory /tmp has the mode 1777", false
		}
		return "", false
	}
	linked := given(t, strings.Replace(dockerfile, "COPY a.txt /a", "COPY --link a.txt /a", 1), 1, nil).Jobs[0].Source
	for _, j := range g.Jobs {
		plain := *j
		j.Source, j.Proved = linked, &plan.Proved{Plain: &plain}
	}
	all := Of(g)
	if len(all) != 1 || all[0].Line != 4 || all[0].Patch != "" || !strings.Contains(all[0].Text, "since the directory /tmp has the mode 1777") || len(all[0].Jobs) != 2 {
		t.Errorf("advised is %+v", all)
	}
	// In one job nothing was linked.
	g.Jobs[1].Source, g.Jobs[1].Proved = g.Jobs[1].Proved.Plain.Source, nil
	all = Of(g)
	if len(all) != 2 || all[0].Line != 4 || all[1].Line != 3 || len(all[1].Jobs) != 1 || !strings.Contains(all[1].Patch, "COPY --link a.txt /a") {
		t.Errorf("advised is %+v", all)
	}
	// It is another thing where the directory has nothing to do with it.
	where := all[0].Remedy
	g.Keeps = func(int, string) (string, bool) { return "its provenance has the Dockerfile in it", true }
	if all = Of(g); len(all) == 0 || all[0].Remedy == where || strings.Contains(all[0].Remedy, "directory") {
		t.Errorf("advised is %+v", all)
	}
}

// A link that would have BuildKit not find in a cache from elsewhere what is copied is not advised.
func TestNoLinkIsAdvisedForACacheFromElsewhere(t *testing.T) {
	g := given(t, "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /a\n", 2, nil)
	if all := Of(g); len(all) != 1 || all[0].Rule != UnlinkedCopy {
		t.Errorf("advised is %+v", all)
	}
	for _, j := range g.Jobs {
		j.Options.CacheFrom = []client.CacheOptionsEntry{{Type: "registry"}}
	}
	if all := Of(g); len(all) > 0 {
		t.Errorf("advised is %+v", all)
	}
}

// What attestations keep from being assembled is told with them.
func TestProvenanceOfImagesThatOnlyCopy(t *testing.T) {
	push := func(s *plan.Spec) { s.Push, s.TagTemplates = true, []string{"r.example/made/{{.Name}}:1"} }
	for last, want := range map[string]bool{"": true, "RUN make\n": false} {
		all := slices.DeleteFunc(Of(given(t, head+last, worthAttesting, push)), func(a Advice) bool { return a.Rule != Provenance })
		if len(all) != 1 || strings.Contains(all[0].Text, fmt.Sprintf("%d images that only have files copied", worthAttesting)) != want {
			t.Errorf("%q: advised is %+v", last, all)
		}
	}
}

// told are pieces of advice, a line for each.
func told(all []Advice) string {
	var lines []string
	for _, a := range all {
		lines = append(lines, fmt.Sprintf("%s:%d in %d jobs, %s; %s", a.Rule, a.Line, len(a.Jobs), a.Price, a.Remedy))
	}
	return strings.Join(lines, "\n")
}

const head = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /\n"

func TestAdvice(t *testing.T) {
	commit := func(s *plan.Spec) { s.BuildArgs["GIT_SHA"] = "1234567" }
	for name, tt := range map[string]struct {
		dockerfile string
		bases      int
		change     func(*plan.Spec)
		earlier    func(ledger.LearnedSteps)
		want       string // the beginning of each line
	}{
		"a commit above steps that do not name it": {head + "ARG GIT_SHA=none\nENV GIT_SHA=${GIT_SHA}\nRUN make\nRUN more\n", 3, commit, nil,
			"misplaced-variable:4 in 3 jobs, costs about 1m0s of the workers' time and 6MB; move ARG (line 4) and ENV (line 5) below line 7"},
		"of which no step was seen": {head + "ARG GIT_SHA\nRUN unseen\n", 1, commit, nil,
			"misplaced-variable:4 in 1 jobs, what it costs is not known; move ARG (line 4) below line 5"},
		"only until it is named": {head + "ARG GIT_SHA\nRUN make\nRUN echo $GIT_SHA\nRUN more\n", 1, commit, nil,
			"misplaced-variable:4 in 1 jobs, costs about 10.0s of the workers' time and 1MB; move ARG (line 4) below line 5"},
		"that is named at once":         {head + "ARG GIT_SHA\nRUN echo ${GIT_SHA}\nRUN make\n", 1, commit, nil, ""},
		"that stands last":              {head + "RUN make\nARG GIT_SHA\n", 1, commit, nil, ""},
		"that is not given":             {head + "ARG GIT_SHA=none\nRUN make\n", 1, nil, nil, ""},
		"that programs read by its own": {head + "ARG PIP_COMMIT\nRUN make\n", 1, func(s *plan.Spec) { s.BuildArgs["PIP_COMMIT"] = "1" }, nil, ""},
		"a value that stays":            {head + "ARG PORT\nRUN make\n", 2, func(s *plan.Spec) { s.BuildArgs["PORT"] = "1" }, nil, ""},
		"a value of each job": {"FROM debian\nCOPY a.txt /\nARG TASK\nRUN make\n", 3, func(s *plan.Spec) { s.BaseArg = "TASK" }, nil,
			"misplaced-variable:3 in 3 jobs, costs about 20.0s of the workers' time and 2MB; move ARG (line 3) below line 4"},
		"a value that was another": {head + "ARG PORT=2\nRUN make\n", 2, nil, func(l ledger.LearnedSteps) {
			was := l["RUN make"]
			was.Env = map[string]string{"PORT": "else"}
			l["RUN make"] = was
		}, "misplaced-variable:4 in 2 jobs, costs about 20.0s of the workers' time and 2MB; move ARG (line 4) below line 5"},

		"a copy alone, on nothing": {"FROM scratch\nARG BASE_IMAGE\nCOPY a.txt /\nLABEL b=$BASE_IMAGE\n", 2, nil, nil, ""},
		"a copy alone":             {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /\nCMD x\n", 2, nil, nil, "unlinked-copy:3 in 2 jobs, costs at most 5MB; add --link"},
		"that is linked":           {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY --link a.txt /\n", 2, nil, nil, ""},
		"that is to stay":          {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /\nCOPY --chown=agent --link=FALSE a.txt /b\n", 2, nil, nil, ""},
		"that a step follows":      {head + "RUN make\n", 2, nil, nil, ""},
		"with an owner by name":    {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY --chown=agent a.txt /\n", 2, nil, nil, "owner-by-name:3 in 2 jobs, what it costs is not known; give its number"},
		"in a stage that is other": {"FROM a AS tool\nCOPY a.txt /\nFROM b\nCOPY --link --from=tool /a.txt /\n", 1, func(s *plan.Spec) { s.BaseArg = "" }, nil, ""},

		"packages for each base": {head + "RUN pip install x\n", 3, nil, nil, "packages-uncached:4 in 3 jobs, costs at most 20.0s of the workers' time; mount a cache for /root/.cache/pip"},
		"with a cache mount":     {head + "RUN --mount=type=cache,target=/root/.cache pip install x\n", 3, nil, nil, ""},
		"on one base":            {head + "RUN pip install x\n", 1, nil, nil, ""},
		"over lines":             {head + "RUN apt-get update && apt-get \\\n  install -y x\n", 2, nil, nil, "packages-uncached:4 in 2 jobs, costs at most 10.0s of the workers' time; mount caches for /var/cache/apt"},
		"a download for each":    {head + "RUN curl -o /x https://x.example/x\n", 3, nil, nil, "repeated-download:4 in 3 jobs, costs at most 20.0s of the workers' time and 2MB; fetch it in a stage of its own"},

		"cache that nobody reads": {head, 2, func(s *plan.Spec) {
			s.CacheTo = []string{"type=registry,mode=max,ref=r.example/cache:{{.Name}}"}
		}, nil,
			"unlinked-copy:3 in 2 jobs, costs at most 5MB; add --link\nunread-cache:0 in 2 jobs, what it costs is not known; leave --cache-to out"},
		"cache in which a link would not be found": {head, 2, func(s *plan.Spec) { s.CacheTo = []string{"type=registry,ref=r.example/cache:{{.Name}}"} }, nil,
			"unread-cache:0 in 2 jobs, what it costs is not known; leave --cache-to out"},
		"cache that is read": {head + "RUN x\n", 2, func(s *plan.Spec) {
			s.CacheTo, s.CacheFrom = []string{"type=registry,ref=r.example/cache:{{.Name}}"}, []string{"type=registry,ref=r.example/cache:{{.Name}}"}
		}, nil, ""},
		"a context that is only for its Dockerfile": {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN make\n", 2, nil, nil, ""},
		"a context of no use": {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN make\n", 2, func(s *plan.Spec) {
			s.File, s.Context = filepath.Join(s.Context, "Dockerfile"), t.TempDir()
		}, nil, "unused-context:0 in 2 jobs, what it costs is not known; give an empty directory"},
		"attestations":           {head + "RUN make\n", 20, func(s *plan.Spec) { s.Push = true }, nil, "provenance:0 in 20 jobs, what it costs is not known; say --provenance=false"},
		"that are turned off":    {head + "RUN make\n", 20, func(s *plan.Spec) { s.Push, s.Attests = true, []string{"type=provenance,disabled=true"} }, nil, ""},
		"that nobody would push": {head + "RUN make\n", 20, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := given(t, tt.dockerfile, tt.bases, tt.change)
			if tt.earlier != nil {
				tt.earlier(g.Learned)
			}
			got, want := strings.Split(told(Of(g)), "\n"), strings.Split(tt.want, "\n")
			if len(got) != len(want) {
				t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], want[i]) || want[i] == "" && got[i] != "" {
					t.Errorf("got\n%s\nwant\n%s", got[i], want[i])
				}
			}
		})
	}
}

// The patches are what "git apply" takes, of the file as it is.
func TestPatches(t *testing.T) {
	for name, tt := range map[string]struct{ dockerfile, want string }{
		"a variable": {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /\nARG GIT_SHA=none\nENV GIT_SHA=$GIT_SHA\nRUN make \\\n  it\nUSER me", `
@@ -1,8 +1,8 @@
 ARG BASE_IMAGE
 FROM ${BASE_IMAGE}
 COPY a.txt /
+RUN make \
+  it
 ARG GIT_SHA=none
 ENV GIT_SHA=$GIT_SHA
-RUN make \
-  it
 USER me
\ No newline at end of file
`},
		"with its comment": {"# syntax=docker/dockerfile:1\n# of all\nARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /\n# which commit\nARG GIT_SHA\nRUN make\nUSER me\n", `
@@ -3,7 +3,7 @@
 ARG BASE_IMAGE
 FROM ${BASE_IMAGE}
 COPY a.txt /
+RUN make
 # which commit
 ARG GIT_SHA
-RUN make
 USER me
`},
		"at the end": {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY a.txt /\nARG GIT_SHA\nRUN make", `
@@ -1,5 +1,5 @@
 ARG BASE_IMAGE
 FROM ${BASE_IMAGE}
 COPY a.txt /
+RUN make
 ARG GIT_SHA
-RUN make
\ No newline at end of file
`},
		"a copy": {"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCopy a.txt /\n", `
@@ -1,3 +1,3 @@
 ARG BASE_IMAGE
 FROM ${BASE_IMAGE}
-Copy a.txt /
+Copy --link a.txt /
`},
	} {
		all := Of(given(t, tt.dockerfile, 1, func(s *plan.Spec) { s.BuildArgs["GIT_SHA"] = "1" }))
		if len(all) != 1 {
			t.Fatalf("%s: %s", name, told(all))
		}
		head, hunks, _ := strings.Cut(all[0].Patch, "\n@@")
		if got := "\n@@" + hunks; got != tt.want || !strings.HasPrefix(head, "--- a/") || !strings.Contains(head, "\n+++ b/") {
			t.Errorf("%s: got%s\nwant%s", name, all[0].Patch, tt.want)
		}
	}
}
