package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

const (
	memoryInterval = 50 * time.Millisecond
	// endTimeout is how long a program may take to end when it is asked to.
	endTimeout = 20 * time.Second
)

// usage is what a program has used.
type usage struct {
	memory int64 // the most that was resident at any time, in bytes
	cpu    time.Duration
}

// command is a program to run.
type command struct {
	program string
	args    []string
	dir     string   // the working directory; empty for this process's own
	env     []string // beside this process's own
}

// execute runs a program to its end, with its output in a file.
func execute(ctx context.Context, logPath string, c command) (usage, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return usage{}, err
	}
	defer log.Close()
	// The child dies with the thread that started it, and so with this process at the latest.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTimeout
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	memory := watchMemory(cmd.Process.Pid)
	err = cmd.Wait()
	return usage{memory: memory(), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, err
}

// watchMemory looks at the memory of a process until the returned function is called, which gives
// the most that it has had. The kernel's own figure for an ended child (ru_maxrss) is of no use:
// it begins at the size of the parent, which holds a registry.
func watchMemory(pid int) (stop func() int64) {
	done, ended := make(chan struct{}), make(chan struct{})
	var most int64
	go func() {
		defer close(ended)
		tick := time.NewTicker(memoryInterval)
		defer tick.Stop()
		for {
			most = max(most, peakMemory(pid))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 {
		close(done)
		<-ended
		return most
	}
}

// peakMemory is the most that a process has had resident so far; 0 when it has ended.
func peakMemory(pid int) int64 {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	status, err := process.NewStatus()
	if err != nil {
		return 0
	}
	return int64(status.VmHWM)
}

// exitCode is how a program ended, if err says that it ended by itself with a failure.
func exitCode(err error) (int, bool) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !exit.Exited() {
		return 0, false
	}
	return exit.ExitCode(), true
}
