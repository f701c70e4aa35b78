package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// daemons are what stoker builds on, as things go wrong with them. What lasts goes on
// when a method has returned; a node is given by its number.
type daemons interface {
	// kill ends one at once, as a crash would.
	kill(ctx context.Context, node int) error
	// hang has one answer nothing for a while.
	hang(ctx context.Context, node int, d time.Duration) error
	// freeze has one answer nothing any more, until it is ended and started again.
	freeze(ctx context.Context, node int) error
	// empty has one come back with an empty cache.
	empty(ctx context.Context, node int) error
	// fill fills the disk of one for a while.
	fill(ctx context.Context, node int) error
	// calm starts stoker while nothing is wrong that keeps it from starting.
	calm(ctx context.Context, start func() error) error
}

// How long a daemon hangs, in comparison to how long an attempt may make no progress, and how long
// one that was killed is away.
const (
	briefly      = 5 * time.Second
	stallTimeout = 15 * time.Second
	long         = 25 * time.Second
	down         = 5 * time.Second
)

// private is the daemon that stoker runs itself, and has back itself.
type private struct {
	*chaos
	crammed sync.Mutex // held while the disk is full
}

func (p *private) kill(ctx context.Context, _ int) error {
	_, err := p.signal(ctx, syscall.SIGKILL)
	return err
}

func (p *private) hang(ctx context.Context, _ int, d time.Duration) error {
	process, err := p.signal(ctx, syscall.SIGSTOP)
	if err != nil {
		return err
	}
	p.lasting.Go(func() error {
		time.Sleep(d)
		return unlessGone(process.Signal(syscall.SIGCONT))
	})
	return nil
}

// freeze leaves it to stoker to end the daemon; where stoker is killed before, the kernel continues and ends what it has
// left behind.
func (p *private) freeze(ctx context.Context, _ int) error {
	_, err := p.signal(ctx, syscall.SIGSTOP)
	return err
}

func (p *private) empty(context.Context, int) error {
	return errors.New("the cache of a private daemon is stoker's alone")
}

func (p *private) fill(ctx context.Context, _ int) error {
	if _, err := p.daemon(ctx); err != nil {
		return err
	}
	p.crammed.Lock()
	p.lasting.Go(func() error {
		defer p.crammed.Unlock()
		time.Sleep(p.full)
		return p.disks[0].Unfill()
	})
	return fill(p.disks[0])
}

// calm waits for room on the disk, without which no daemon can be started.
func (p *private) calm(_ context.Context, start func() error) error {
	p.crammed.Lock()
	defer p.crammed.Unlock()
	return start()
}

// signal sends the daemon of the stoker that runs now a signal.
func (p *private) signal(ctx context.Context, s syscall.Signal) (*os.Process, error) {
	pid, err := p.daemon(ctx)
	if err != nil {
		return nil, err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	return process, unlessGone(process.Signal(s))
}

// unlessGone passes over that a process has ended.
func unlessGone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// daemon returns the daemon of the stoker that runs now, once its run has begun. Before, a daemon that ends is one that
// does not work, and the run ends too.
func (p *private) daemon(ctx context.Context) (pid int, err error) {
	return pid, p.awaitRun(ctx, func() (bool, error) {
		pid, err = childWith(p.stoker.Pid(), p.state())
		return pid > 0, err
	})
}
