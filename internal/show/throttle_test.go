package show

import (
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

func refusal(tries int, until float64) journal.RegistryThrottled {
	return journal.RegistryThrottled{Registry: "docker.io", Until: ledger.Time{Time: sec(until)}, Tries: tries,
		Limit: &journal.Limit{Total: 100, Window: 21600}}
}

// A registry that is waited for is shown until it answers, and the jobs that wait for it
// do not run.
func TestThrottledRegistryIsShown(t *testing.T) {
	s := stateOf(told{0, runOf(6, 2)}, told{1, journal.JobStarted{Job: "a"}}, told{2, refusal(1, 7)},
		told{2, journal.AttemptFailed{Job: "a", Attempt: 1, Class: "throttled", Error: "429", Retry: true, Delay: 5}},
		told{2, journal.JobWaiting{Job: "a", Registries: []string{"docker.io"}}}, told{8, refusal(2, 18)})
	const want = "docker.io asks for fewer requests, 0 of 100 pulls left, asked again at 12:00:18 (refused 2 times)"
	if text := (frame{State: s, now: sec(8), width: 120, height: 20}).String(); strings.Count(text, want) != 1 || len(s.running) != 0 {
		t.Errorf("it shows\n%s", text)
	}
	if text := s.heartbeat(sec(8)); !strings.Contains(text, want) {
		t.Errorf("the heartbeat is %q", text)
	}
	s.Apply(sec(20), journal.RegistryAnswers{Registry: "docker.io"})
	if text := s.heartbeat(sec(20)); strings.Contains(text, "docker.io") {
		t.Errorf("when it answers, the heartbeat is %q", text)
	}
}

func TestThrottledTexts(t *testing.T) {
	mirror := journal.RegistryThrottled{Registry: "m.example", MirrorOf: "docker.io", GivenUp: true, Tries: 1}
	if got, want := throttledText(mirror, sec(0)), "m.example (mirror of docker.io) asks for fewer requests, not waited for any more"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	reset := ledger.Time{Time: sec(3600)}
	limit := journal.RegistryLimit{Registry: "r.example", Limit: journal.Limit{Total: 600, Remaining: 12, Window: 3600, Reset: &reset}}
	if got, want := limitText(limit, sec(0)), "r.example: 12 of 600 requests left in 1h00m, anew at 13:00"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for after, want := range map[time.Duration]string{time.Minute: "12:01:00", 3 * time.Hour: "15:00", 30 * time.Hour: "18:00 on Sat 2 May"} {
		if got := moment(sec(0).Add(after), sec(0)); !strings.HasPrefix(got, want) {
			t.Errorf("in %s: %q, want %q", after, got, want)
		}
	}
}
