package process

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// How long a program that was killed may take to be gone. The kernel ends it at
// once, unless it waits for a disk that does not answer.
const killTimeout = 10 * time.Second

// Child is a program that ends with this process, such as a daemon. Its methods may be
// called concurrently.
type Child struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// running has the children that have not ended, as its keys.
var running sync.Map

// WakeAll has all children go on that are stopped, for a process that ends at once: they are
// asked to end then, and clear away what is theirs. To one that is still stopped the kernel may
// send SIGHUP with that, which leaves it no time, or nothing that wakes it.
func WakeAll() {
	running.Range(func(child, _ any) bool {
		wake(child.(*Child).cmd.Process)
		return true
	})
}

// Start starts a program that nobody has started yet, in a process group of its
// own: a Ctrl-C at the terminal does not reach it. It is asked to end when this
// process ends, however that comes about, and what it has started is killed with it.
func Start(cmd *exec.Cmd) (*Child, error) {
	c := &Child{cmd: cmd, ended: make(chan struct{})}
	err := launch(cmd, func() {
		running.Store(c, nil)
		defer running.Delete(c)
		endGroup(cmd.Process.Pid)
		_ = cmd.Wait() // its ProcessState tells
		close(c.ended)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Ended is closed when the program is gone, and its process group killed.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// HasEnded tells whether that is so.
func (c *Child) HasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// State says how the program ended, once it has.
func (c *Child) State() *os.ProcessState { return c.cmd.ProcessState }

// Pid is the program's process.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Signal sends the program a signal. For one that has ended the error is
// os.ErrProcessDone.
func (c *Child) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Stop asks the program to end, kills it when it has not within a time, and
// returns when it is gone.
func (c *Child) Stop(within time.Duration) error {
	askToEnd(c.cmd.Process)
	if c.endsWithin(within) {
		return nil
	}
	return c.Kill()
}

// Kill kills the program and returns when it is gone.
func (c *Child) Kill() error {
	_ = c.cmd.Process.Kill() // it may have ended
	if c.endsWithin(killTimeout) {
		return nil
	}
	return fmt.Errorf("process %d was killed and is not gone after %s", c.Pid(), killTimeout)
}

func (c *Child) endsWithin(d time.Duration) bool {
	select {
	case <-c.ended:
		return true
	case <-time.After(d):
		return false
	}
}
