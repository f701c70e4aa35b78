package cli

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// A mirror of docker.io that throttles keeps waiting who is built on docker.io's
// images, and nobody else. When it does not let anybody through for as long as it is waited for, the
// run ends with the rest built, and another goes on with it. Attempts that it refused
// do not count.
func TestThrottledRegistry(t *testing.T) {
	t.Parallel()
	w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
	other := labtest.Registry(t)
	w.daemon = labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: lab.Mirrored(w.registry.Host(), "docker.io")}, w.registry, other)
	w.fill(small(1, 6))
	w.write("ctx/Dockerfile", ownStep)
	elsewhere := labtest.Bases(t, other, small(1, 1))[0]
	refs := []string{elsewhere.Ref}
	for _, ref := range w.refs() {
		refs = append(refs, "docker.io"+strings.TrimPrefix(ref, w.registry.Host()))
	}
	w.list(refs...)
	limited := lab.Fault{Kind: lab.KindManifest, Status: http.StatusTooManyRequests, Header: lab.LimitHeader(100, 0, 6*time.Hour)}
	build := func(more ...string) (int, string) {
		args := append([]string{"build", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"), "-t", other.Host() + "/made/{{.Name}}-{{.Index}}:1",
			"--push", "--progress", "plain", "--output-dir", w.path("out"), "--state-dir", w.path("state"),
			"--workers", "3", "--retries", "0", "--registry-pause", "50ms"}, more...)
		return runStoker(t.Context(), append(args, w.path("ctx"))...)
	}

	remove := w.registry.Inject(limited)
	code, out := build("--registry-wait", "1s")
	s := w.summary()
	if code != ExitFailed || s.Built != 1 || s.Failed != 0 || s.Unfinished != 6 || s.ResumeAfter == nil ||
		!strings.Contains(s.StopReason, w.registry.Host()+" has asked for fewer requests since") || !strings.Contains(s.StopReason, "--resume") {
		t.Fatalf("exit code %d, summary %+v\n%s", code, s, out)
	}
	if !strings.Contains(out, "0 of 100 requests left") {
		t.Errorf("the limit is not told:\n%s", out)
	}
	// For each image that it is asked for, BuildKit asks a registry that throttles
	// five times (retryRequest in containerd's core/remotes/docker).
	throttled := events[journal.RegistryThrottled](w, "registry_throttled")
	asked := w.registry.Requests().ByStatus[http.StatusTooManyRequests]
	if n := len(throttled); n < 2 || n > 8 || asked > (6+n)*7 {
		t.Errorf("%d pauses within 1 s, and %d requests, want few\n%s", n, asked, out)
	}
	for i, e := range throttled {
		if e.Registry != w.registry.Host() || e.MirrorOf != "docker.io" || e.Tries != i+1 || e.Limit == nil || e.Limit.Total != 100 || e.Limit.Remaining != 0 {
			t.Errorf("pause %d: %+v", i+1, e)
		}
	}

	remove()
	limited.Times = 25
	w.registry.Inject(limited)
	code, out = build("--registry-wait", "1h", "--resume")
	if s := w.summary(); code != ExitOK || s.Unfinished != 0 || s.Failed != 0 || s.StopReason != "" {
		t.Errorf("resumed: exit code %d, summary %+v\n%s", code, s, out)
	}
	for _, e := range w.manifest() {
		if e.AttemptCount != 1 {
			t.Errorf("%s has %d attempts that count", e.Name, e.AttemptCount)
		}
	}
	if n := len(events[journal.RegistryAnswers](w, "registry_answers")); n != 1 {
		t.Errorf("it answers again %d times", n)
	}
}
