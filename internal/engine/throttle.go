package engine

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/plan"
)

const (
	// The least pause after a registry asked for fewer requests.
	throttlePause = 5 * time.Second
	// The most that a registry may make a run wait.
	throttleMax = time.Hour
)

// throttles are the registries that asked for fewer requests, and until when
// they are left alone.
type throttles struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func newThrottles() *throttles { return &throttles{until: map[string]time.Time{}} }

// hold leaves a registry alone until a time. It tells whether that is news.
func (t *throttles) hold(registry string, until time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := t.until[registry].After(time.Now())
	if until.After(t.until[registry]) {
		t.until[registry] = until
	}
	return !held
}

// wait is how long a job has to wait for the registries that it uses.
func (t *throttles) wait(job *plan.Job, now time.Time) (longest time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.until) == 0 {
		return 0 // nearly always
	}
	for _, registry := range job.Registries() {
		longest = max(longest, t.until[registry].Sub(now))
	}
	return longest
}

// throttled has every job leave a registry alone that asked for fewer requests,
// for as long as it says or at least for a moment.
func (r *run) throttled(ctx context.Context, t *task, err error) {
	registry := throttling(err.Error(), t.job.Registries())
	pause := max(throttlePause, builder.RetryAfter(err))
	if r.RetryAfter != nil {
		for _, ref := range t.job.References() {
			pause = max(pause, r.RetryAfter(ctx, ref))
		}
	}
	pause = min(pause, throttleMax)
	if registry != "" && r.throttles.hold(registry, time.Now().Add(pause)) {
		r.emit(Warning{Message: fmt.Sprintf("%s asks for fewer requests: jobs that use it wait %s", registry, pause.Round(time.Second))})
	}
}

// restForRegistries gives the worker away while registries of a job want to be
// left alone. The error is ctx's.
func (r *run) restForRegistries(ctx context.Context, t *task) error {
	for {
		pause := r.throttles.wait(t.job, time.Now())
		if pause <= 0 {
			return nil
		}
		if err := r.rest(ctx, pause); err != nil {
			return err
		}
	}
}

var requestURL = regexp.MustCompile(`https?://[^\s"]+`)

// The host that serves docker.io.
const dockerHub = "registry-1.docker.io"

// throttling returns which of a job's registries a message says has throttled
// it; the only one where the message names none, and "" where that is unclear.
func throttling(message string, registries []string) string {
	for _, found := range requestURL.FindAllString(message, -1) {
		u, err := url.Parse(found)
		if err != nil {
			continue
		}
		host := u.Host
		if host == dockerHub {
			host = "docker.io"
		}
		for _, registry := range registries {
			if registry == host {
				return registry
			}
		}
	}
	if len(registries) == 1 {
		return registries[0]
	}
	return ""
}
