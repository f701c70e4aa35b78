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
	start   time.Time
	stoker  *stoker
	record  *record
	daemons daemons
	// lasting are the troubles that end by themselves.
	lasting errgroup.Group
	away    sync.Mutex // held by an outage, so that two of them come one after the other
}

// build has all images built while the events of the schedule happen, and gives the record of it.
func build(ctx context.Context, o options, p *parts) (_ *record, err error) {
	c := &chaos{options: o, parts: p, start: time.Now(), record: newRecord(p.output())}
	c.daemons = &private{chaos: c}
	if len(p.nodes) > 0 {
		c.daemons = &nodes{c, p.nodes}
	}
	if c.stoker, err = startStoker(o.stoker, p); err != nil {
		return nil, err
	}
	err = c.run(ctx, schedule(o.seed, o.nodes, o.sizes))
	return c.record, errors.Join(err, c.stoker.end(syscall.SIGTERM), c.lasting.Wait())
}

func (c *chaos) run(ctx context.Context, events []event) error {
	for _, e := range events {
		if err := c.await(ctx, e.at); err != nil {
			return fmt.Errorf("before %s at %d of %d images: %w", e, e.at, c.images, err)
		}
		if err := c.fire(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
		c.say(e)
	}
	return c.finish(ctx)
}

// say prints what happened.
func (c *chaos) say(e event) {
	fmt.Fprintf(c.out, "%s %3d of %d images: %s.\n", clock(c.start), c.record.count(), c.images, e)
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
func (c *chaos) fire(ctx context.Context, e event) error {
	switch e.kind {
	case killDaemon:
		return c.daemons.kill(ctx, e.node)
	case hang:
		return c.daemons.hang(ctx, e.node, briefly)
	case stall:
		return c.daemons.hang(ctx, e.node, long)
	case freeze:
		return c.daemons.freeze(ctx, e.node)
	case emptyNode:
		return c.daemons.empty(ctx, e.node)
	case killStoker:
		return c.killStoker(ctx)
	case outage:
		c.lasting.Go(c.loseRegistry)
	case fullDisk:
		return c.daemons.fill(ctx, e.node)
	}
	return nil
}

// awaitRun returns once the run of the stoker that runs now has begun, and something else is so.
func (c *chaos) awaitRun(ctx context.Context, is func() (bool, error)) error {
	for {
		begun, err := c.record.begun()
		if err != nil {
			return err
		}
		so, err := is()
		if err != nil || begun && so {
			return err
		}
		ended, err := c.rest(ctx)
		if err != nil {
			return err
		}
		if ended {
			return fmt.Errorf("stoker ended (%s) before its run had begun", c.stoker.State())
		}
	}
}

// killStoker kills stoker and goes on with its run, while a daemon of its own may still be ending.
func (c *chaos) killStoker(ctx context.Context) error {
	if err := errors.Join(c.record.look(), c.stoker.kill(), c.record.look(), c.record.mark()); err != nil {
		return err
	}
	return c.daemons.calm(ctx, func() error {
		resumed, err := startStoker(c.options.stoker, c.parts, "--resume")
		if err != nil {
			return err
		}
		c.stoker = resumed
		return nil
	})
}

func (c *chaos) loseRegistry() error {
	c.away.Lock()
	defer c.away.Unlock()
	c.registry.Down()
	time.Sleep(c.outage)
	c.registry.Up()
	return nil
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
