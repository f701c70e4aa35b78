package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/run"
)

// plan runs stoker plan with the flags of build and some more.
func (w *workbench) plan(ctx context.Context, more ...string) (code int, output string) {
	args := append([]string{"plan", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"),
		"-t", w.registry.Host() + "/agent/{{.Name}}:1", "--state-dir", w.path("state")}, more...)
	return runStoker(ctx, append(args, w.path("ctx"))...)
}

// planned is the same as a program reads it.
func (w *workbench) planned(more ...string) (p run.Planned) {
	w.t.Helper()
	code, out := w.plan(w.t.Context(), append(more, "--format", "json")...)
	if code != ExitOK {
		w.t.Fatalf("exit code %d\n%s", code, out)
	}
	return readPlan(w.t, out)
}

// readPlan reads a plan from output; what is told meanwhile comes before it.
func readPlan(t *testing.T, out string) (p run.Planned) {
	t.Helper()
	if err := json.Unmarshal([]byte(out[max(strings.Index(out, "{"), 0):]), &p); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

// Plan looks at the cache that build will use: what is there is not forecast
// again, by either.
func TestPlanOnWarmCache(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, modest(1, 4))
	w.write("ctx/Dockerfile", ownStepOf("own", modestOwn))
	cold := w.planned("--cache-budget", "1GB")
	if f := cold.Forecast; f.PullBytes < 40*mb || f.Guessed != 4 || f.GuessedBytes == 0 {
		t.Errorf("with an empty cache: %+v", f)
	}
	if _, out := w.plan(t.Context()); !strings.Contains(out, "not known yet; ") || !strings.Contains(out, " assumed") {
		t.Errorf("what a job adds is told as if it were known\n%s", out)
	}
	code, out := w.build(t.Context(), "--prune", "off", "--workers", "2")
	w.checkAllBuilt(code, out, 4)
	cache := *w.summary().Cache.EndBytes

	warm := w.planned("--force", "--workers", "2", "--cache-budget", "1GB")
	f := warm.Forecast
	if f.PullBytes != 0 || f.Guessed != 0 || f.Unknown != 0 || f.Waits != 0 {
		t.Errorf("with all that the plan needs in the cache: %+v", f)
	}
	if warm.UsedBytes < cache*9/10 || f.PeakBytes < warm.UsedBytes || f.PeakBytes > warm.UsedBytes*11/10 {
		t.Errorf("of a cache of %d bytes, %d are told as used, and the peak is %d", cache, warm.UsedBytes, f.PeakBytes)
	}
	scaled := w.planned("--force", "--workers", "1", "--nodes", "4,1,2")
	if s := scaled.Scales; len(s) != 3 || scaled.Pace.SecondsPerJob <= 0 || s[0].Nodes != 1 || s[2].Nodes != 4 || s[0].PullBytes != cold.Forecast.PullBytes ||
		s[1].Seconds >= s[0].Seconds || s[1].PullBytes <= s[0].PullBytes {
		t.Errorf("on 1, 2 and 4 nodes: %+v, with a pace of %+v", scaled.Scales, scaled.Pace)
	}
	if _, out := w.plan(t.Context(), "--force", "--workers", "1", "--nodes", "1,4,8"); !strings.Contains(out, "nodes  time") || !strings.Contains(out, "More than 4 nodes would hardly be faster.") {
		t.Errorf("it is told so:\n%s", out)
	}
	// A budget of a little more than what is there is enough.
	code, out = w.build(t.Context(), "--force", "--workers", "2", "--cache-budget", fmt.Sprint(cache*5/4))
	w.checkAllBuilt(code, out, 4)
	if s := w.summary(); s.Space.ForecastPeakBytes != f.PeakBytes || len(events[journal.WaitingForSpace](w, "waiting_for_space")) > 0 {
		t.Errorf("build forecasts a peak of %d, plan of %d\n%s", s.Space.ForecastPeakBytes, f.PeakBytes, out)
	}
}

// Where all images exist nothing is said of what building them would take.
func TestPlanOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	w.write("ctx/Dockerfile", ownStep)
	code, out := w.build(t.Context())
	w.checkAllBuilt(code, out, 2)
	code, out = w.plan(t.Context(), "--push", "--nodes", "1,2")
	if code != ExitOK || !strings.HasSuffix(out, "nothing is left to build: all 2 images exist; --force builds them again\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// Advice is on what is to be built.
func TestToBuild(t *testing.T) {
	a, b := &plan.Job{Name: "a"}, &plan.Job{Name: "b"}
	p := &plan.Plan{Jobs: []*plan.Job{a, b}}
	if got := toBuild(p, run.Planned{Jobs: []run.PlannedJob{{Name: "b"}}}); len(got) != 1 || got[0] != b || len(p.Jobs) != 2 {
		t.Errorf("%v of %v", got, p.Jobs)
	}
}

// An unresolved base image makes the forecast unknown, soon and not silently:
// whether its registry never answers, or says that it is asked too much.
func TestPlanOfUnresolvedBases(t *testing.T) {
	t.Parallel()
	silent := silentRegistry(t)
	for _, tt := range []struct {
		name string
		host func(w *workbench) string
		asks bool
	}{
		{"silent", func(*workbench) string { return silent }, true},
		{"throttled", func(w *workbench) string {
			w.registry.Inject(lab.Fault{Kind: lab.KindManifest, Repo: "swebench/*", Status: http.StatusTooManyRequests})
			return w.registry.Host()
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkbench(t, small(1, 1))
			w.write("ctx/Dockerfile", ownStep)
			host := tt.host(w)
			var refs []string
			for i := range 40 {
				refs = append(refs, fmt.Sprintf("%s/swebench/unresolved-%d:1", host, i))
			}
			w.list(refs...)
			soon, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code, out := w.plan(soon)
			if code != ExitOK || soon.Err() != nil {
				t.Fatalf("exit code %d, %v\n%s", code, soon.Err(), out)
			}
			for _, want := range []string{"unknown for 40 jobs", "did not tell what 40 jobs would do"} {
				if strings.Count(out, want) != 1 {
					t.Errorf("the plan does not say once %q\n%s", want, out)
				}
			}
			for _, wrong := range []string{"yes", "about 0B", "pull", "assumed"} {
				if strings.Contains(out, wrong) {
					t.Errorf("the plan says %q\n%s", wrong, out)
				}
			}
			if asks := strings.Contains(out, "asking the builder what the builds will do"); asks != tt.asks {
				t.Errorf("that the builder is asked is said: %v\n%s", asks, out)
			}
		})
	}
}

// Where no builder can be reached, the plan says what is not known.
func TestPlanWithoutBuilder(t *testing.T) {
	w := newWorkbench(t, small(1, 3))
	t.Setenv("DOCKER_CONFIG", w.path("no-docker"))
	t.Setenv("DOCKER_HOST", "unix:///does/not/exist/docker.sock")
	plan := func(dockerfile string) string {
		w.write("ctx/Dockerfile", dockerfile)
		code, out := runStoker(t.Context(), "plan", "--buildkitd", "does-not-exist", "--images", w.path("bases.txt"),
			"-t", w.registry.Host()+"/agent/{{.Name}}:1", "--state-dir", w.path("state"), w.path("ctx"))
		if code != ExitOK {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		return out
	}
	if out := plan(ownStep); strings.Contains(out, "unknown") || !strings.Contains(out, "assumed") || strings.Count(out, "no builder could be reached") != 1 {
		t.Errorf("a Dockerfile that this process can read\n%s", out)
	}
	out := plan("# syntax=example.com/other:1\n" + ownStep)
	if !strings.Contains(out, "unknown for 3 jobs") || strings.Contains(out, "0B") || strings.Contains(out, "yes") {
		t.Errorf("a Dockerfile that only its own frontend can read\n%s", out)
	}
}
