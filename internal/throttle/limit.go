package throttle

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limit is what a registry says of how often it may be asked. Nothing of it is
// guessed.
type Limit struct {
	// Total requests are allowed in each Window, of which Remaining are left.
	Total, Remaining int
	// Window is 0 where the registry does not say it.
	Window time.Duration
	// Reset is when Total requests are allowed again; zero where the registry does not
	// say it.
	Reset time.Time
}

// Answer is what a registry says when it is asked once.
type Answer struct {
	// RetryAfter is how long it wants to be left alone; 0 where it does not say so.
	RetryAfter time.Duration
	// Limit is nil where it does not tell one.
	Limit *Limit
}

// Add reads what a response tells.
func (a *Answer) Add(r *http.Response, now time.Time) {
	if l, told := LimitOf(r.Header, now); told {
		a.Limit = &l
	}
	if r.StatusCode == http.StatusTooManyRequests {
		a.RetryAfter = max(a.RetryAfter, RetryAfter(r.Header.Get("Retry-After"), now))
	}
}

// Until is when the registry may be asked again, by its own account; zero where it
// has not told.
func (a Answer) Until(now time.Time) (until time.Time) {
	if a.RetryAfter > 0 {
		until = now.Add(a.RetryAfter)
	}
	if l := a.Limit; l != nil && l.Remaining == 0 && l.Reset.After(until) {
		until = l.Reset
	}
	return until
}

// LimitOf reads the limit that an answer of a registry tells, as Docker Hub does
// ("ratelimit-limit: 100;w=21600", docs.docker.com/docker-hub/usage/pulls) and GitLab
// ("RateLimit-Reset: 1609844400"). One that does not tell both numbers tells no limit.
func LimitOf(h http.Header, now time.Time) (l Limit, told bool) {
	total, window, ok := number(h.Get("RateLimit-Limit"))
	remaining, other, told := number(h.Get("RateLimit-Remaining"))
	if !ok || !told {
		return Limit{}, false
	}
	l = Limit{Total: int(total), Remaining: int(remaining), Window: max(window, other)}
	if reset, _, ok := number(h.Get("RateLimit-Reset")); ok {
		l.Reset = resetTime(reset, now)
	}
	return l, true
}

// number reads "100;w=21600": a number, and a window in seconds where one is given.
func number(header string) (n int64, window time.Duration, ok bool) {
	first, rest, _ := strings.Cut(header, ";")
	number, err := strconv.ParseUint(strings.TrimSpace(first), 10, 40)
	if err != nil {
		return 0, 0, false
	}
	for param := range strings.SplitSeq(rest, ";") {
		if w, is := strings.CutPrefix(strings.TrimSpace(param), "w="); is {
			if seconds, err := strconv.ParseUint(w, 10, 31); err == nil {
				window = time.Duration(seconds) * time.Second
			}
		}
	}
	return int64(number), window, true
}

// Above this a reset is a time of day (of September 2001 or later), and else it
// is from now on: registries do both.
const epochSeconds = 1e9

func resetTime(seconds int64, now time.Time) time.Time {
	if seconds >= epochSeconds {
		return time.Unix(seconds, 0)
	}
	return now.Add(time.Duration(seconds) * time.Second)
}

// RetryAfter reads a Retry-After header (RFC 9110, 10.2.3): seconds, or a date. It
// returns 0 for none.
func RetryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
