package run

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/throttle"
)

func taskOn(base, tag string) *task {
	return &task{job: &plan.Job{Base: base, Tags: []string{tag}}}
}

func throttledRun(wait time.Duration) *run {
	return &run{Options: Options{RegistryWait: wait}, queue: newQueue(), mirrors: newMirrors(nil),
		throttles: throttle.New(throttle.Options{First: time.Second, Longest: time.Hour, Patience: wait})}
}

// Only jobs that use a throttling registry wait for it. A build argument is no image,
// whatever it looks like.
func TestWhoWaits(t *testing.T) {
	r := throttledRun(time.Hour)
	r.throttles.Refused("docker.io", nil, time.Time{})
	r.throttles.Refused("mirror.example", nil, time.Time{})
	r.mirrors.learn("quay.io", "mirror.example")
	argument := taskOn("a.example/x:1", "push.example/x:1")
	argument.job.Options.BuildArgs = map[string]string{"AGENT_VERSION": "3"}
	reads := taskOn("a.example/x:1", "push.example/x:1")
	reads.job.Images = []string{"debian:12"} // which its Dockerfile names
	for _, tt := range []struct {
		name  string
		task  *task
		waits bool
	}{
		{"base", taskOn("debian:12", "push.example/x:1"), true},
		{"tag", taskOn("a.example/x:1", "me/x:1"), true},
		{"another registry", taskOn("a.example/x:1", "push.example/x:1"), false},
		{"a number as an argument", argument, false},
		{"an image that its Dockerfile names", reads, true},
		{"the registry of a throttling mirror", taskOn("quay.io/a/x:1", "push.example/x:1"), true},
	} {
		if got := r.pause(tt.task) > 0; got != tt.waits {
			t.Errorf("%s: waits %v, want %v", tt.name, got, tt.waits)
		}
	}
}

// A host that is no registry of the job was named by the one that it reads from.
func TestWhoSentToAnotherHost(t *testing.T) {
	several := taskOn("a.example/x:1", "push.example/x:1")
	several.job.Images = []string{"debian:12"}
	for want, tt := range map[string]*task{"a.example": taskOn("a.example/x:1", "push.example/x:1"), "": several} {
		if got := readsFrom(tt.job); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// How a mirror is asked for an image: under its own name and path.
func TestImagesAtMirrors(t *testing.T) {
	m := newMirrors(map[string][]string{"docker.io": {"mirror.example/hub", "other.example"}})
	for _, tt := range []struct{ ref, host, want string }{
		{"debian", "docker.io", "debian"},
		{"debian", "mirror.example", "mirror.example/hub/library/debian:latest"},
		{"me/x:1", "other.example", "other.example/me/x:1"},
		{"quay.io/me/x:1", "other.example", ""},
	} {
		if got := m.at(tt.ref, tt.host); got != tt.want {
			t.Errorf("%s at %s: %q, want %q", tt.ref, tt.host, got, tt.want)
		}
	}
	r := &run{mirrors: m}
	job := taskOn("debian", "docker.io/me/x:1").job
	if got := r.imageAt("docker.io", job, "POST https://registry-1.docker.io/v2/me/x/blobs/uploads/: 429"); got != "docker.io/me/x:1" {
		t.Errorf("of a refused push it is asked for %q", got)
	}
	if got := r.imageAt("other.example", job, "429"); got != "other.example/library/debian:latest" {
		t.Errorf("it is asked for %q", got)
	}
}

// Jobs on other registries pass by; one of those that wait asks when the pause is over,
// and the others come when it got through. Jobs that wait for ever end the queue, and
// so do jobs that are built on theirs.
func TestQueueOfAThrottledRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := throttledRun(time.Hour)
		first, second, other := taskOn("debian:12", "p.example/1:1"), taskOn("debian:13", "p.example/2:1"), taskOn("a.example/x:1", "p.example/3:1")
		for _, task := range []*task{first, second, other} {
			r.queue.add(task)
		}
		r.queue.complete()
		s, _ := r.throttles.Refused("docker.io", nil, time.Time{})
		if got := r.queue.take(t.Context(), r.pause); got != other || !time.Now().Before(s.Until) {
			t.Fatalf("took %+v", got)
		}
		r.queue.drop()
		if got := r.queue.take(t.Context(), r.pause); got != first || time.Now().Before(s.Until) {
			t.Fatalf("took %+v", got)
		}
		taken := make(chan *task)
		go func() { taken <- r.queue.take(t.Context(), r.pause) }()
		synctest.Wait()
		select {
		case got := <-taken:
			t.Fatalf("took %+v beside the one that asks for all", got)
		default:
		}
		r.answered(first)
		if got := <-taken; got != second {
			t.Fatalf("took %+v", got)
		}

		third := taskOn("p.example/1:1", "p.example/4:1")
		third.after = []*task{first}
		for _, task := range []*task{first, second} {
			r.throttles.Refused("docker.io", task, time.Now().Add(3*time.Hour))
			r.queue.later(task)
		}
		r.queue.add(third)
		if got := r.queue.take(t.Context(), r.pause); got != nil || r.queue.size() != 3 {
			t.Errorf("took %+v, of which a registry is given up", got)
		}
		if err := r.givenUp(); time.Until(err.After) < 3*time.Hour || time.Until(err.After) > 3*time.Hour+time.Minute {
			t.Errorf("it goes on at %s: %s", err.After, err)
		}
	})
}

// Jobs that must wait are passed by, and come when their time has come.
func TestQueuePassesBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
		got := []*task{q.take(t.Context(), pause), q.take(t.Context(), pause)}
		if !slices.Equal(got, []*task{second, first}) || time.Now().Before(ready) {
			t.Errorf("took %+v", got)
		}
		q.drop()
		q.drop()
		q.complete()
		if got := q.take(t.Context(), pause); got != nil {
			t.Errorf("took %+v of an empty queue", got)
		}
	})
}
