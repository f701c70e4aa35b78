package engine

import (
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/plan"
)

func jobOn(base, tag string) *plan.Job { return &plan.Job{Base: base, Tags: []string{tag}} }

func TestThrottling(t *testing.T) {
	both := []string{"docker.io", "reg.example:5000"}
	for _, tt := range []struct {
		message    string
		registries []string
		want       string
	}{
		{`unexpected status from POST request to https://reg.example:5000/v2/a/blobs/uploads/: 429 Too Many Requests`, both, "reg.example:5000"},
		{`unexpected status code https://registry-1.docker.io/v2/library/a/manifests/1: 429 Too Many Requests`, both, "docker.io"},
		{`unexpected status code https://cdn.example/x: 429 Too Many Requests`, both, ""},
		{`toomanyrequests: you have reached your pull rate limit`, both, ""},
		{`toomanyrequests: you have reached your pull rate limit`, both[:1], "docker.io"},
		{`at "http://%zz" and https://reg.example:5000/v2/: 429 Too Many Requests`, both, "reg.example:5000"},
	} {
		if got := throttling(tt.message, tt.registries); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.message, got, tt.want)
		}
	}
}

// A build argument is no image, whatever it looks like.
func TestArgumentsAreNoImages(t *testing.T) {
	now := time.Now()
	th := newThrottles()
	th.hold("docker.io", now.Add(time.Minute))
	job := jobOn("a.example/x:1", "push.example/x:1")
	job.Options.BuildArgs = map[string]string{"AGENT_VERSION": "3"}
	if d := th.wait(job, now); d != 0 {
		t.Errorf("it waits %s for docker.io", d)
	}
	job.Images = []string{"debian:12"} // which its Dockerfile names
	if d := th.wait(job, now); d != time.Minute {
		t.Errorf("on an image from docker.io, it waits %s", d)
	}
}

// Only jobs that use a throttling registry wait for it, and the longest wait
// that it asked for holds.
func TestThrottles(t *testing.T) {
	now := time.Now()
	th := newThrottles()
	a, b := jobOn("a.example/x:1", "push.example/x:1"), jobOn("b.example/x:1", "push.example/y:1")
	if d := th.wait(a, now); d != 0 {
		t.Errorf("nothing throttles, and yet it waits %s", d)
	}
	if !th.hold("a.example", now.Add(time.Minute)) {
		t.Error("the first is news")
	}
	if th.hold("a.example", now.Add(time.Second)) {
		t.Error("the second is no news")
	}
	if got := th.wait(a, now); got != time.Minute {
		t.Errorf("it waits %s", got)
	}
	if got := th.wait(b, now); got != 0 {
		t.Errorf("the other registry's job waits %s", got)
	}
	th.hold("push.example", now.Add(time.Hour))
	if th.wait(a, now) != time.Hour || th.wait(b, now) != time.Hour || th.wait(a, now.Add(2*time.Hour)) > 0 {
		t.Errorf("waits %s, %s, later %s", th.wait(a, now), th.wait(b, now), th.wait(a, now.Add(2*time.Hour)))
	}
}

// Jobs that must wait are passed by, and come when their time has come.
func TestQueuePassesBy(t *testing.T) {
	q := newQueue()
	first, second := &task{index: 1}, &task{index: 2}
	q.add(first)
	q.add(second)
	ready := time.Now().Add(50 * time.Millisecond)
	pause := func(t *task) time.Duration {
		if t == first {
			return time.Until(ready)
		}
		return 0
	}
	if got := q.take(t.Context(), pause); got != second {
		t.Errorf("took %+v", got)
	}
	if got := q.take(t.Context(), pause); got != first || time.Now().Before(ready) {
		t.Errorf("took %+v", got)
	}
	q.drop()
	q.drop()
	q.complete()
	if got := q.take(t.Context(), pause); got != nil {
		t.Errorf("took %+v of an empty queue", got)
	}
}
