package registry

import (
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/throttle"
)

// Limits are what registries have told of how often they may be asked, by their
// hosts. They may be used by several goroutines.
type Limits struct {
	mu    sync.Mutex
	known map[string]throttle.Limit
}

// All returns the limits that were told last.
func (l *Limits) All() map[string]throttle.Limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.known)
}

// Read returns a transport that reads the limits from all answers of another.
func (l *Limits) Read(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil {
			l.note(req.URL.Host, resp.Header)
		}
		return resp, err
	})
}

func (l *Limits) note(host string, h http.Header) {
	limit, told := throttle.LimitOf(h, time.Now())
	if !told {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]throttle.Limit{}
	}
	l.known[imageref.Registry(host)] = limit
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
