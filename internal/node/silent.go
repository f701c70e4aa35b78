package node

import (
	"context"
	"errors"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/every"
)

// Need is what a daemon is waited for, as a person is told when it does not answer.
type Need string

// The needs.
const (
	ForBuilds Need = "while builds wait for it"
	ForSurvey Need = "while it is found out what the builds will do"
	forSpace  Need = "while a job waits for space on it"
	forMend   Need = "while its cache is mended"
	forSweep  Need = "while it is swept"
	forList   Need = "while it lists its cache"
)

// then is what comes of it.
func (f Need) then() string {
	const asked = "it is asked again for about a minute, and "
	switch f {
	case forSweep:
		return asked + "what is dead stays there then"
	case ForSurvey:
		return "another node is asked where one answers, else " + asked + "it is lost then"
	}
	return asked + "it is lost then"
}

// silenceTold is how long it is not told again that a daemon does not answer.
const silenceTold = 2 * time.Minute

// Answers tells whether the daemon does.
func (n *Node) Answers(ctx context.Context) bool {
	err := n.Daemon.Answers(ctx)
	if err != nil && ctx.Err() == nil {
		n.unheard.note(time.Now())
	}
	return err == nil
}

// IsSilent tells whether the daemon does not answer while it is needed, which the journal
// is told once in a while.
func (n *Node) IsSilent(ctx context.Context, what Need) bool {
	if n.Answers(ctx) {
		return false
	}
	if ctx.Err() == nil && n.silent.first(silenceTold, time.Now()) {
		n.warn("", "%s does not answer %s; %s", n.Name(), what, what.then())
	}
	return true
}

// NoteSilence notes that the journal is told otherwise that the daemon does not answer.
func (n *Node) NoteSilence() { n.silent.note(time.Now()) }

// attend returns a context that ends when the daemon does not answer any more while it is
// needed, until stop is called.
func (n *Node) attend(ctx context.Context, what Need) (attended context.Context, stop func()) {
	return builder.Attend(ctx, func(ctx context.Context) bool { return !n.IsSilent(ctx, what) })
}

// lostIn returns a *LostError where an attended context ended since the daemon does not
// answer.
func lostIn(attended context.Context) error {
	if silent := (*builder.SilentError)(nil); errors.As(context.Cause(attended), &silent) {
		return &LostError{silent}
	}
	return nil
}

const (
	// How often a daemon is asked whether it answers of which something is wanted that can
	// be done without, how soon it must, and how long nothing more is wanted of one that did
	// not.
	soonEvery     = time.Second
	soonAnswer    = 2 * time.Second
	unheardMemory = 10 * time.Second
)

var errUnheard = errors.New("it does not answer")

// whileHeard returns a context for what can be done without: it ends when the daemon does not
// answer soon, once. So nobody waits for one that stands still.
func (n *Node) whileHeard(ctx context.Context) (heard context.Context, stop func()) {
	heard, cancel := context.WithCancelCause(ctx)
	if n.unheard.within(unheardMemory, time.Now()) {
		cancel(errUnheard)
	}
	end := every.Interval(soonEvery, func() {
		soon, end := context.WithTimeout(heard, soonAnswer)
		defer end()
		if !n.Answers(soon) && heard.Err() == nil {
			n.unheard.note(time.Now())
			cancel(errUnheard)
		}
	})
	return heard, func() {
		cancel(nil)
		end()
	}
}
