package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/visible"
)

// throttledClass is the class of attempts that a registry refused.
const throttledClass = "throttled"

// throttle notes that jobs wait for a registry, until it answers.
func (s *State) throttle(e journal.RegistryThrottled) {
	s.answers(e.Registry)
	s.throttled = append(s.throttled, e)
}

// answers notes that nobody waits for a registry any more.
func (s *State) answers(registry string) {
	s.throttled = slices.DeleteFunc(s.throttled, func(e journal.RegistryThrottled) bool { return e.Registry == registry })
}

// waitsFor tells that an attempt failed since a registry asks for fewer requests, which
// has been told of once for all jobs.
func (s *State) waitsFor(e journal.AttemptFailed) bool {
	return e.Class == throttledClass && len(s.throttled) > 0
}

// awaited tells for which registries jobs wait, one text each, and until when.
func (s *State) awaited(now time.Time) []string {
	var texts []string
	for _, e := range s.throttled {
		texts = append(texts, throttledText(e, now))
	}
	return texts
}

// throttledText says that a registry asks for fewer requests, what it told of its
// limit, and what is done about it.
func throttledText(e journal.RegistryThrottled, now time.Time) string {
	parts := []string{visible.Line(e.Registry) + " asks for fewer requests"}
	if e.MirrorOf != "" {
		parts[0] = fmt.Sprintf("%s (mirror of %s) asks for fewer requests", visible.Line(e.Registry), visible.Line(e.MirrorOf))
	}
	if e.Limit != nil {
		parts = append(parts, leftText(e.Registry, *e.Limit))
	}
	until := e.Until.Time
	switch {
	case e.GivenUp:
		parts = append(parts, "not waited for any more")
	case until.After(now):
		parts = append(parts, "asked again at "+moment(until, now))
	default:
		parts = append(parts, "asked again now")
	}
	if e.Tries > 1 {
		parts[len(parts)-1] += fmt.Sprintf(" (refused %d times)", e.Tries)
	}
	return strings.Join(parts, ", ")
}

// limitText says what a registry tells of its limit.
func limitText(e journal.RegistryLimit, now time.Time) string {
	text := visible.Line(e.Registry) + ": " + leftText(e.Registry, e.Limit)
	if e.Window > 0 {
		text += " in " + whole(ofSeconds(e.Window))
	}
	if e.Reset != nil {
		text += ", anew at " + moment(e.Reset.Time, now)
	}
	return text
}

// leftText says how much of a limit is left. What Docker Hub counts are pulls.
func leftText(registry string, l journal.Limit) string {
	counted := "requests"
	if registry == imageref.DockerHub {
		counted = "pulls"
	}
	return fmt.Sprintf("%d of %d %s left", l.Remaining, l.Total, counted)
}

// moment is a time as a clock shows it to somebody who looks now: with seconds where it is near, and
// with the day where it is another.
func moment(t, now time.Time) string {
	switch {
	case t.Sub(now) < 2*time.Minute:
		return t.Format("15:04:05")
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04")
	}
	return t.Format("15:04 on Mon 2 Jan")
}
