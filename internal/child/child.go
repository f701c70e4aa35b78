// Package child runs programs that end with this process, each in a process
// group of its own, which is killed when its program ends.
package child

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// How long a program that was killed may take to be gone. The kernel ends it at
// once, unless it waits for a disk that does not answer.
const killTimeout = 10 * time.Second

// Process is a program that was started. Its methods may be called concurrently.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start starts a program that nobody has started yet, in a process group of its
// own: a Ctrl-C at the terminal does not reach it. It is asked to end when this
// process ends, however that comes about.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.SysProcAttr = attributes()
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the program and waits for its end. The kernel sends the signal of
// the parent's death when the thread that started the child ends, so that thread
// is held for as long as the child lives.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	awaitEnd(p.cmd.Process.Pid)
	// What the program started goes too. Until the program is waited for, its
	// number is its group's and nobody else's.
	killGroup(p.cmd.Process.Pid)
	_ = p.cmd.Wait() // its ProcessState tells
	close(p.ended)
}

// Ended is closed when the program is gone, and its process group killed.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// HasEnded tells whether that is so.
func (p *Process) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// State says how the program ended, once it has.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Pid is the program's process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends the program a signal. For one that has ended the error is
// os.ErrProcessDone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Stop asks the program to end, kills it when it has not within a time, and
// returns when it is gone.
func (p *Process) Stop(within time.Duration) error {
	askToEnd(p.cmd.Process)
	if p.endsWithin(within) {
		return nil
	}
	return p.Kill()
}

// Kill kills the program and returns when it is gone.
func (p *Process) Kill() error {
	_ = p.cmd.Process.Kill() // it may have ended
	if p.endsWithin(killTimeout) {
		return nil
	}
	return fmt.Errorf("process %d was killed and is not gone after %s", p.Pid(), killTimeout)
}

func (p *Process) endsWithin(d time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(d):
		return false
	}
}
