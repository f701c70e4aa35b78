package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/lab"
)

const (
	pollInterval = 20 * time.Millisecond
	// patience is how long stoker may finish no image before that counts as a hang. It is far more than any outage, any
	// pause between two attempts and the start of a daemon take together.
	patience = 4 * time.Minute
)

// chaos is a run of stoker during which things go wrong.
type chaos struct {
	options
	*parts
	start  time.Time
	stoker *stoker
	record *record
	// lasting are the troubles that end by themselves.
	lasting errgroup.Group
	// away is held by an outage, and crammed while the disk is full, so that two of them come one after the other.
	away, crammed sync.Mutex
}

// build has all images built while the events of the schedule happen, and gives the record of it.
func build(ctx context.Context, o options, p *parts) (_ *record, err error) {
	c := &chaos{options: o, parts: p, start: time.Now(), record: newRecord(p.output())}
	if c.stoker, err = startStoker(o.stoker, p); err != nil {
		return nil, err
	}
	err = c.run(ctx, schedule(o.seed, o.sizes))
	return c.record, errors.Join(err, c.stoker.end(syscall.SIGTERM), c.lasting.Wait())
}

func (c *chaos) run(ctx context.Context, events []event) error {
	for _, e := range events {
		if err := c.await(ctx, e.at); err != nil {
			return fmt.Errorf("before %s at %d of %d images: %w", e.kind, e.at, c.images, err)
		}
		if err := c.fire(ctx, e.kind); err != nil {
			return fmt.Errorf("%s: %w", e.kind, err)
		}
		c.say(e.kind)
	}
	return c.finish(ctx)
}

// say prints what happened.
func (c *chaos) say(k kind) {
	fmt.Fprintf(c.out, "%s %3d of %d images: %s.\n", clock(c.start), c.record.count(), c.images, k)
}

// await returns once n images are on record.
func (c *chaos) await(ctx context.Context, n int) error {
	for {
		if err := c.record.look(); err != nil {
			return err
		}
		if c.record.count() >= n {
			return nil
		}
		ended, err := c.rest(ctx)
		if err != nil {
			return err
		}
		if ended {
			return fmt.Errorf("stoker ended (%s) with %d images on record", c.stoker.State(), c.record.count())
		}
	}
}

// finish returns when stoker has ended as it should.
func (c *chaos) finish(ctx context.Context) error {
	for {
		if err := c.record.look(); err != nil {
			return err
		}
		ended, err := c.rest(ctx)
		if err != nil {
			return err
		}
		if !ended {
			continue
		}
		if !c.stoker.State().Success() {
			return fmt.Errorf("stoker failed: %s", c.stoker.State())
		}
		return c.record.look()
	}
}

// rest passes a moment and tells whether stoker has ended. That nothing happens for too long is an error.
func (c *chaos) rest(ctx context.Context) (ended bool, err error) {
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-c.stoker.Ended():
		return true, nil
	case <-time.After(pollInterval):
	}
	if time.Since(c.record.grown) < patience {
		return false, nil
	}
	err = c.stoker.end(syscall.SIGQUIT) // which writes all goroutines to the log
	return false, errors.Join(err, fmt.Errorf("stoker hangs: it finished no image for %s, with %d on record; its goroutines are in %s",
		patience, c.record.count(), c.log()))
}

// fire makes one thing go wrong.
func (c *chaos) fire(ctx context.Context, k kind) error {
	switch k {
	case killDaemon:
		return c.killDaemon(ctx)
	case killStoker:
		return c.killStoker()
	case outage:
		c.lasting.Go(c.loseRegistry)
	case fullDisk:
		return c.fillDisk(ctx)
	}
	return nil
}

// killDaemon kills the daemon of the stoker that runs now.
func (c *chaos) killDaemon(ctx context.Context) error {
	pid, err := c.daemon(ctx)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// daemon returns the daemon of the stoker that runs now, once its run has begun. Before, a daemon that ends is one that
// does not work, and the run ends too.
func (c *chaos) daemon(ctx context.Context) (pid int, err error) {
	for {
		begun, err := c.record.begun()
		if err != nil {
			return 0, err
		}
		pid, err := childWith(c.stoker.Pid(), c.state())
		if err != nil {
			return 0, err
		}
		if begun && pid > 0 {
			return pid, nil
		}
		ended, err := c.rest(ctx)
		if err != nil {
			return 0, err
		}
		if ended {
			return 0, fmt.Errorf("stoker ended (%s) before it had a daemon", c.stoker.State())
		}
	}
}

// killStoker kills stoker and goes on with its run at once, while its daemon may still be ending; but on a full disk no
// daemon can be started.
func (c *chaos) killStoker() error {
	if err := errors.Join(c.record.look(), c.stoker.kill(), c.record.look(), c.record.mark()); err != nil {
		return err
	}
	c.crammed.Lock()
	defer c.crammed.Unlock()
	resumed, err := startStoker(c.options.stoker, c.parts, "--resume")
	if err != nil {
		return err
	}
	c.stoker = resumed
	return nil
}

func (c *chaos) loseRegistry() error {
	c.away.Lock()
	defer c.away.Unlock()
	c.registry.Down()
	time.Sleep(c.outage)
	c.registry.Up()
	return nil
}

// fillDisk fills the disk for a while, once there is a daemon on it.
func (c *chaos) fillDisk(ctx context.Context) error {
	if _, err := c.daemon(ctx); err != nil {
		return err
	}
	c.crammed.Lock()
	c.lasting.Go(func() error {
		defer c.crammed.Unlock()
		time.Sleep(c.full)
		return c.disk.Unfill()
	})
	return fill(c.disk)
}

// fill leaves nearly no byte free on a disk.
func fill(disk *lab.Disk) error {
	for size := int64(64 * mb); size >= 4<<10; {
		err := disk.Fill(size)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			return err
		}
	}
	return nil
}
