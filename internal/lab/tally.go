package lab

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Tally counts from outside how often steps of builds run: each reports here as it begins, over the
// host's network, which the steps of the lab's daemons have. Its methods may be called concurrently.
type Tally struct {
	host   string
	server *http.Server

	mu     sync.Mutex
	counts map[string]int
}

// StartTally starts a tally; it counts as soon as this returns.
func StartTally(ctx context.Context) (*Tally, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Tally{host: listener.Addr().String(), counts: map[string]int{}}
	t.server = &http.Server{Handler: http.HandlerFunc(t.count), ReadHeaderTimeout: time.Minute}
	go t.server.Serve(listener)
	return t, nil
}

func (t *Tally) count(_ http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[strings.TrimPrefix(r.URL.Path, "/")]++
}

// Report is a shell command that counts one more run of a step, and fails where it cannot. The
// step's name may have variables of the shell in it.
func (t *Tally) Report(step string) string {
	return "wget -q -O /dev/null http://" + t.host + "/" + step
}

// Counts is how often each step has begun since the start or the last Reset, by the step's name.
func (t *Tally) Counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// Reset sets all counts to zero.
func (t *Tally) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.counts)
}

// Close ends the tally; steps that report later fail. It may be called more than once.
func (t *Tally) Close() error { return t.server.Close() }
