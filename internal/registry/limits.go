package registry

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/throttle"
)

// limits is a transport that reads from all answers how often registries may be asked.
type limits struct {
	next http.RoundTripper

	mu    sync.Mutex
	known map[string]throttle.Limit // by host
}

type listenerKey struct{}

// listening has all that registries say in a context of how often they may be asked
// added up.
func listening(ctx context.Context, said *throttle.Answer) context.Context {
	return context.WithValue(ctx, listenerKey{}, said)
}

// RoundTrip implements http.RoundTripper.
func (l *limits) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	now := time.Now()
	if limit, told := throttle.LimitOf(resp.Header, now); told {
		l.note(imageref.Registry(req.URL.Host), limit)
	}
	if said, asks := req.Context().Value(listenerKey{}).(*throttle.Answer); asks {
		said.Add(resp, now)
	}
	return resp, nil
}

func (l *limits) note(host string, limit throttle.Limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[host] = limit
}

func (l *limits) all() map[string]throttle.Limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.known)
}
