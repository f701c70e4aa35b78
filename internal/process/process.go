// Package process runs programs so that they end together with all that they have
// started in turn: commands, which are waited for, and children, which run beside.
package process

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"time"
)

// The first pause before what was asked to end is looked at again, and the longest:
// each is twice as long as the one before.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// Run runs a command, which was made without a context, until the program ends. What
// it leaves running lives on if it succeeds. If it fails, or ctx is done first, all
// that it has started is asked to end, and killed where it has not ended within
// patience; but for what has put itself into a group of its own, as daemons do. The
// error is ctx's cause then, or that of cmd.Wait.
func Run(ctx context.Context, cmd *exec.Cmd, patience time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var err error
	ended := make(chan struct{})
	if err := launch(cmd, func() {
		err = cmd.Wait()
		close(ended)
	}); err != nil {
		return err
	}
	g := gather(cmd.Process.Pid)
	defer g.release()
	select {
	case <-ended:
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil // it has ended well, and left its output open to others
		}
		if err != nil {
			g.end(patience)
		}
		return err
	case <-ctx.Done():
		g.end(patience)
		_ = cmd.Process.Kill() // where the group does not hold it
		<-ended
		return context.Cause(ctx)
	}
}

// launch starts a program in a process group of its own, and calls wait, in a goroutine,
// which returns when the program has ended. The kernel sends the signal of the parent's
// death when the thread that started the program ends, so that thread is held until then.
func launch(cmd *exec.Cmd, wait func()) error {
	cmd.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			wait()
		}
	}()
	return <-started
}

// end asks all that is in the group to end, and kills what does not.
func (g group) end(patience time.Duration) {
	g.ask()
	pause := firstPause
	for deadline := time.Now().Add(patience); g.left(); pause = min(2*pause, longestPause) {
		if time.Now().After(deadline) {
			g.kill()
			return
		}
		time.Sleep(pause)
	}
}
