// Package buildkitd runs a BuildKit daemon as a child of this process: its
// configuration, its start, its end, and what it leaves behind.
package buildkitd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/stoker-build/stoker/internal/process"
	"github.com/stoker-build/stoker/internal/strays"
)

const (
	// How long a daemon may take to answer after its start: a large cache is
	// opened in seconds.
	startTimeout = 60 * time.Second
	// How often it is asked.
	askInterval = 50 * time.Millisecond
)

// Options say what runs, where, and how.
type Options struct {
	// Command starts the daemon: its program, or what runs that for it. A flag
	// with the configuration's file is added.
	Command []string
	// Dir is a directory for what the daemon has beside its cache: the
	// configuration, the log, temporary files. It is made where it is missing.
	Dir string
	// Root is the directory of the cache; it is made where it is missing. No two
	// daemons can have the same at a time.
	Root string
	// Address is where the daemon listens, unix://PATH.
	Address string
	// Also are further addresses where it listens.
	Also []string
	// Config is its configuration, but for the root and the address, which are
	// set in it.
	Config Config
	// Env are variables of its environment beside this process's own.
	Env []string
	// Relative starts the daemon in Dir, with the root and the configuration's
	// file relative to that.
	Relative bool
	// StopTimeout is how long it may take to end before it is killed.
	StopTimeout time.Duration
}

// Daemon is a BuildKit daemon. Those of its methods that start or end it must not
// be called concurrently.
type Daemon struct {
	opt     Options
	process *process.Child
	started time.Time
	logFrom int64 // where in the log its last start begins
}

// EndedError says that a daemon ended before it answered.
type EndedError struct {
	State string // of the process, as in "exit status 1"
	Words string // its last ones
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("it ended at once (%s): %s", e.State, e.Words)
}

// SilentError says that a daemon was started and does not answer.
type SilentError struct {
	After time.Duration
	Log   string
}

func (e *SilentError) Error() string {
	return fmt.Sprintf("it did not answer within %s; its log is %s", e.After, e.Log)
}

// Start starts a daemon and waits until it answers. An earlier one on the same
// root, of a process that was killed, may take seconds to end: that is waited for,
// and what it left is cleared away. ctx bounds the start only; the daemon ends
// with this process. With an error nothing is left running. The error is an
// *EndedError, a *SilentError, ctx's cause or one of the machine's.
func Start(ctx context.Context, opt Options) (*Daemon, error) {
	d := &Daemon{opt: opt}
	if err := d.resolve(); err != nil {
		return nil, err
	}
	if err := d.awaitLast(ctx); err != nil {
		return nil, err
	}
	if err := d.configure(); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(d.Log()); err != nil {
		return nil, err
	}
	if err := d.start(); err != nil {
		return nil, err
	}
	if err := d.awaitAnswer(ctx, startTimeout); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
}

// resolve makes the directories, and follows links to them: the kernel lists
// mounts without.
func (d *Daemon) resolve() error {
	for _, dir := range []*string{&d.opt.Dir, &d.opt.Root} {
		if err := os.MkdirAll(*dir, 0o700); err != nil {
			return err
		}
		path, err := filepath.EvalSymlinks(*dir)
		if err != nil {
			return err
		}
		if *dir, err = filepath.Abs(path); err != nil {
			return err
		}
	}
	return nil
}

// awaitLast waits for the end of an earlier daemon on the root, which holds
// BuildKit's own lock for as long as it lives.
func (d *Daemon) awaitLast(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("the daemon of an earlier run does not end"))
	defer cancel()
	lock := flock.New(filepath.Join(d.opt.Root, "buildkitd.lock"))
	if _, err := lock.TryLockContext(ctx, askInterval); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return errors.Join(lock.Close(), d.clear())
}

func (d *Daemon) configure() error {
	root, err := d.named(d.opt.Root)
	if err != nil {
		return err
	}
	d.opt.Config.Set(root, "root")
	d.opt.Config.Set(append([]string{d.opt.Address}, d.opt.Also...), "grpc", "address")
	return d.opt.Config.write(d.configFile())
}

// named is a path as the daemon is told it.
func (d *Daemon) named(path string) (string, error) {
	if !d.opt.Relative {
		return path, nil
	}
	return filepath.Rel(d.opt.Dir, path)
}

func (d *Daemon) configFile() string { return filepath.Join(d.opt.Dir, "buildkitd.toml") }
func (d *Daemon) tmp() string        { return filepath.Join(d.opt.Dir, "tmp") }

// Log is the file with the daemon's output since it was first started.
func (d *Daemon) Log() string { return filepath.Join(d.opt.Dir, "buildkitd.log") }

// Root is the directory of its cache, links resolved.
func (d *Daemon) Root() string { return d.opt.Root }

// Started is when it was last started.
func (d *Daemon) Started() time.Time { return d.started }

// HasEnded tells whether its process is gone.
func (d *Daemon) HasEnded() bool { return d.process.HasEnded() }

// Pid is its process's number.
func (d *Daemon) Pid() int { return d.process.Pid() }

// Signal sends its process a signal.
func (d *Daemon) Signal(s os.Signal) error { return d.process.Signal(s) }

// Kill ends the daemon at once, as a crash would, together with the containers
// and mounts of its running steps, as the end of a container around it would.
func (d *Daemon) Kill() error { return errors.Join(d.process.Kill(), d.clear()) }

// Restart ends the daemon where it still runs, starts it again with the same cache
// and address, and waits until it answers. Its errors are Start's; one that was
// started and does not answer yet goes on.
func (d *Daemon) Restart(ctx context.Context) error {
	if err := d.end(); err != nil {
		return err
	}
	if err := d.start(); err != nil {
		return err
	}
	return d.awaitAnswer(ctx, startTimeout)
}

// Stop ends the daemon and clears away what is left of it.
func (d *Daemon) Stop() error {
	if err := d.end(); err != nil {
		return err
	}
	// One that was killed has left its socket.
	return os.RemoveAll(strings.TrimPrefix(d.opt.Address, "unix://"))
}

func (d *Daemon) end() error {
	if err := d.process.Stop(d.opt.StopTimeout); err != nil {
		return err
	}
	return d.clear()
}

func (d *Daemon) clear() error { return strays.Clear(d.opt.Root, d.tmp()) }

func (d *Daemon) start() error {
	// BuildKit mounts what it reads of a snapshot in the directory for temporary
	// files: where that is known, it is found again when the daemon was killed.
	if err := errors.Join(os.RemoveAll(d.tmp()), os.Mkdir(d.tmp(), 0o700)); err != nil {
		return err
	}
	config, err := d.named(d.configFile())
	if err != nil {
		return err
	}
	log, err := os.OpenFile(d.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	if d.logFrom, err = log.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	args := append(d.opt.Command[1:len(d.opt.Command):len(d.opt.Command)], "--config", config)
	cmd := exec.Command(d.opt.Command[0], args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(append(environment(), d.opt.Env...), "TMPDIR="+d.tmp())
	if d.opt.Relative {
		cmd.Dir = d.opt.Dir
	}
	started, err := process.Start(cmd)
	if err != nil {
		return err
	}
	d.process, d.started = started, time.Now()
	return nil
}

func (d *Daemon) awaitAnswer(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, &SilentError{within, d.Log()})
	defer cancel()
	// gRPC itself would try again to connect after a second only.
	soon := grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: askInterval, Multiplier: 1, MaxDelay: askInterval}}
	c, err := client.New(ctx, d.opt.Address, client.WithGRPCDialOption(grpc.WithConnectParams(soon)))
	if err != nil {
		return err
	}
	defer c.Close()
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for {
		if _, err := c.ListWorkers(ctx); err == nil {
			return nil
		}
		select {
		case <-d.process.Ended():
			return &EndedError{d.process.State().String(), d.lastWords()}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// lastWords returns why the daemon ended, as far as its log tells.
func (d *Daemon) lastWords() string {
	log, err := os.ReadFile(d.Log())
	if err != nil {
		return "no log: " + err.Error()
	}
	return lastWords(string(log[min(d.logFrom, int64(len(log))):]))
}
