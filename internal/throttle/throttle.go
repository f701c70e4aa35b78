// Package throttle keeps the peace with registries that ask for fewer requests:
// it says when each may be asked again, and by whom. It does no I/O.
package throttle

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Never is how long to wait for a registry that is given up.
const Never = time.Duration(math.MaxInt64)

// How much pauses differ by chance, so that processes that were refused together
// do not come back together.
const jitter = 0.2

// Options say how long registries are left alone. Where they do not say it
// themselves, the pauses grow from First to Longest, each twice as long as the one before.
type Options struct {
	First, Longest time.Duration
	// Patience is how long a registry may go on refusing before it is given up; with
	// 0 it is at once.
	Patience time.Duration
}

// Registries are those that asked for fewer requests. After a pause one asks, for
// all: only when it gets through do the others follow. It may be used by several
// goroutines.
type Registries struct {
	Options

	mu    sync.Mutex // guards hosts and all that they lead to
	hosts map[string]*registry
}

// registry is one that refused, and has let nobody through since.
type registry struct {
	State
	pauses backoff.BackOff
	probe  any  // who asks for all; nil while nobody does
	open   bool // the one who asked was answered; whether all is well is not known yet
}

// State is what is known of a registry that asked for fewer requests.
type State struct {
	Host string
	// Since is when it first refused after it had let anybody through.
	Since time.Time
	// Until is when it may be asked again. Told says that the registry said so.
	Until time.Time
	Told  bool
	// Tries is how often in a row it has refused, counted once for each pause.
	Tries int
	// GivenUp says that it is not waited for any more.
	GivenUp bool
}

// New returns registries of which none has refused yet.
func New(o Options) *Registries {
	return &Registries{Options: o, hosts: map[string]*registry{}}
}

// Refused notes that a registry refused what somebody asked, and has it left alone:
// until a time that it told, or else for a pause that is longer than the last. It
// tells whether that is news: of those who asked before the first was refused, the others are not.
func (r *Registries) Refused(host string, who any, told time.Time) (s State, news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	h := r.hosts[host]
	switch {
	case h == nil:
		h = &registry{State: State{Host: host, Since: now}, pauses: r.growing()}
		r.hosts[host] = h
	case h.probe != who && !h.open:
		if told.After(h.Until) {
			h.Until, h.Told = told, true
			h.GivenUp = h.GivenUp || r.tooLate(h)
		}
		return h.State, false
	}
	h.Tries++
	h.probe, h.open = nil, false
	last := h.Since.Add(r.Patience)
	h.GivenUp = !now.Before(last)
	h.Until, h.Told = now.Add(min(h.pauses.NextBackOff(), r.Longest)), false
	if told.After(h.Until) {
		h.Until, h.Told = told, true
		h.GivenUp = h.GivenUp || r.tooLate(h)
	} else if !h.GivenUp && h.Until.After(last) {
		h.Until = last // for one last time
	}
	return h.State, true
}

// tooLate tells that a registry has said itself that waiting for it is in vain.
func (r *Registries) tooLate(h *registry) bool { return h.Until.After(h.Since.Add(r.Patience)) }

func (r *Registries) growing() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = r.First, r.Longest, 2, jitter
	return b
}

// Calm tells that no registry has refused anything of late.
func (r *Registries) Calm() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.hosts) == 0
}

// Enter returns how long somebody has to wait before asking registries: 0 for not at
// all, Never where one is given up. Who is not kept waiting after a pause asks for
// all the others, and must call Answered, Refused or Leave then. Whoever does is let
// in again.
func (r *Registries) Enter(who any, hosts []string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var longest time.Duration
	for _, host := range hosts {
		longest = max(longest, r.hosts[host].wait(who))
	}
	if longest > 0 {
		return longest
	}
	for _, host := range hosts {
		if h := r.hosts[host]; h != nil && !h.open {
			h.probe = who
		}
	}
	return 0
}

// How long is waited at most for the one who asks; the others are told before.
const othersWait = time.Minute

func (h *registry) wait(who any) time.Duration {
	switch {
	case h == nil || h.open || h.probe == who:
		return 0
	case h.GivenUp:
		return Never
	case h.probe != nil:
		return othersWait
	}
	return max(time.Until(h.Until), 0)
}

// Opened notes that of some registries the one who asked for all was answered, so
// that the others may follow. How patient to be goes by what came before until
// something is done.
func (r *Registries) Opened(who any, hosts []string) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
		if h := r.hosts[host]; h != nil && h.probe == who {
			h.probe, h.open, news = nil, true, true
		}
	}
	return news
}

// Done notes that somebody got all that was asked of registries. It returns those that
// are well again.
func (r *Registries) Done(who any, hosts []string) (well []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
		if h := r.hosts[host]; h != nil && (h.open || h.probe == who) {
			delete(r.hosts, host)
			well = append(well, host)
		}
	}
	return well
}

// Leave notes that somebody does not ask any more, whatever came of it. It tells
// whether others may ask instead.
func (r *Registries) Leave(who any) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hosts {
		if h.probe == who {
			h.probe, news = nil, true
		}
	}
	return news
}

// GivenUp returns those that are not waited for any more.
func (r *Registries) GivenUp() []State {
	return slices.DeleteFunc(r.States(), func(s State) bool { return !s.GivenUp })
}

// States returns what is known of those that asked for fewer requests, by their hosts.
func (r *Registries) States() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	var states []State
	for _, h := range r.hosts {
		states = append(states, h.State)
	}
	slices.SortFunc(states, func(a, b State) int { return strings.Compare(a.Host, b.Host) })
	return states
}
