package builder

import (
	"context"
	"sync"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/identity"
	"github.com/opencontainers/go-digest"
)

const (
	// How often a node is asked for its time.
	clockInterval = 10 * time.Minute
	// How long it may take to tell.
	clockTimeout = 2 * time.Second
	// What a clock may differ without being corrected: less is as likely the time
	// that the answer took, and does not matter.
	clockSlack = 50 * time.Millisecond
	// clockHeader is where a daemon tells its time, before it answers what it answers bit by
	// bit (sendTimestampHeader in BuildKit's control package).
	clockHeader = "buildkit-current-timestamp"
)

// clock is by how much a node's clock is ahead of this process's.
type clock struct {
	mu    sync.Mutex
	asked time.Time     // guarded by mu
	ahead time.Duration // guarded by mu
}

// now returns by how much the node's clock is ahead, after asking it where the last
// answer is old. A node that does not tell counts as it did before.
func (k *clock) now(ctx context.Context, c *client.Client) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asked.IsZero() && time.Since(k.asked) < clockInterval {
		return k.ahead
	}
	k.asked = time.Now()
	if ahead, ok := askClock(ctx, c); ok {
		k.ahead = ahead
	}
	return k.ahead
}

// askClock asks for the history of a build that does not exist. Its progress would tell the
// time, too: but for that the daemon waits 6 s, also where nobody waits for its answer any more
// (Solver.Get in BuildKit v0.34), and it does not end before.
func askClock(ctx context.Context, c *client.Client) (ahead time.Duration, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	sent := time.Now()
	stream, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{Ref: identity.NewID(), EarlyExit: true})
	if err != nil {
		return 0, false
	}
	header, err := stream.Header()
	took := time.Since(sent)
	if told := header.Get(clockHeader); err == nil && len(told) == 1 {
		at, err := time.Parse(time.RFC3339Nano, told[0])
		return difference(at.Sub(sent.Add(took / 2))), err == nil
	}
	return 0, false
}

// How long nobody asks again for the progress of a build that has not begun.
const beginInterval = 100 * time.Millisecond

// firstStarted returns a step of a build and when it began by the node's clock, as
// soon as one has. It ends with ctx.
func firstStarted(ctx context.Context, c *client.Client, ref string) (step digest.Digest, at time.Time, ok bool) {
	for ctx.Err() == nil {
		if step, at, ok = readStarted(ctx, c, ref); ok {
			return step, at, true
		}
		select { // BuildKit waits some seconds for a build to begin, and then says that there is none
		case <-time.After(beginInterval):
		case <-ctx.Done():
		}
	}
	return "", time.Time{}, false
}

func readStarted(ctx context.Context, c *client.Client, ref string) (digest.Digest, time.Time, bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.ControlClient().Status(ctx, &controlapi.StatusRequest{Ref: ref})
	if err != nil {
		return "", time.Time{}, false
	}
	for {
		told, err := stream.Recv()
		if err != nil {
			return "", time.Time{}, false
		}
		for _, v := range told.Vertexes {
			if v.Started != nil {
				return digest.Digest(v.Digest), v.Started.AsTime(), true
			}
		}
	}
}

// difference leaves out what is too small to matter.
func difference(d time.Duration) time.Duration {
	if d.Abs() < clockSlack {
		return 0
	}
	return d
}
