package run

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/throttle"
)

func taskOn(base, tag string) *task {
	return &task{job: &plan.Job{Base: base, Tags: []string{tag}}}
}

func throttled(wait time.Duration) *scheduler {
	s := newScheduler(&run{Options: Options{Journal: journal.New()}})
	s.places = []*place{{pool: pool{size: 10}}}
	s.run.registries = newRegistries(RegistryOptions{Pause: time.Second, Wait: wait}, s.run.Journal, s.wake)
	return s
}

// Only jobs that use a throttling registry wait for it. A build argument is no image,
// whatever it looks like.
func TestWhoWaits(t *testing.T) {
	s := throttled(time.Hour)
	r := s.run.registries
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
		if got := s.pause(tt.task) > 0; got != tt.waits {
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
	r := &registries{mirrors: m}
	job := taskOn("debian", "docker.io/me/x:1").job
	if got := r.imageAt("docker.io", job, "POST https://registry-1.docker.io/v2/me/x/blobs/uploads/: 429"); got != "docker.io/me/x:1" {
		t.Errorf("of a refused push it is asked for %q", got)
	}
	if got := r.imageAt("other.example", job, "429"); got != "other.example/library/debian:latest" {
		t.Errorf("it is asked for %q", got)
	}
}

// Jobs on other registries pass by; one of those that wait asks when the pause is over,
// and the others come when it got through. Jobs that wait for ever end the run, and so do
// jobs that are built on theirs.
func TestQueueOfAThrottledRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttled(time.Hour)
		p := s.places[0]
		first, second, other := taskOn("debian:12", "p.example/1:1"), taskOn("debian:13", "p.example/2:1"), taskOn("a.example/x:1", "p.example/3:1")
		s.enqueue(first, second, other)
		state, _ := s.run.registries.throttles.Refused("docker.io", nil, time.Time{})
		if got, _ := s.next(t.Context(), p); got != other {
			t.Fatalf("took %+v", got)
		}
		got, wait := s.next(t.Context(), p)
		if got != nil || time.Now().Add(wait).Before(state.Until) {
			t.Fatalf("took %+v, or looks again in %s", got, wait)
		}
		time.Sleep(wait)
		if got, _ := s.next(t.Context(), p); got != first {
			t.Fatalf("took %+v", got)
		}
		if got, _ := s.next(t.Context(), p); got != nil {
			t.Fatalf("took %+v beside the one that asks for all", got)
		}
		s.run.registries.answered(first)
		select {
		case <-s.woken:
		default:
			t.Error("nobody is told that others may go on")
		}
		if got, _ := s.next(t.Context(), p); got != second {
			t.Fatalf("took %+v", got)
		}

		third := taskOn("p.example/1:1", "p.example/4:1")
		third.after = []*task{first}
		for _, task := range []*task{first, second} {
			s.run.registries.throttles.Refused("docker.io", task, time.Now().Add(3*time.Hour))
		}
		s.queue = []*task{first, second, third}
		if got, wait := s.next(t.Context(), p); got != nil || wait != throttle.Never {
			t.Errorf("took %+v, of which a registry is given up, or waits %s", got, wait)
		}
		var given *RegistriesError
		if err := s.stuck(); !errors.As(err, &given) || time.Until(given.After) < 3*time.Hour || time.Until(given.After) > 3*time.Hour+time.Minute {
			t.Errorf("it ends with %v", err)
		}
	})
}
