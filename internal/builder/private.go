package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/scratch"
	"github.com/stoker-build/stoker/internal/strays"
)

// daemon is a private buildkitd: a child process with a root of its own.
type daemon struct {
	address string
	root    string
	log     string
	lock    *flock.Flock
	sockDir *scratch.Dir // of its socket; nil where that is below root
	command []string
	cmd     *exec.Cmd
	started time.Time
	exited  chan struct{}
}

const (
	// How long a private buildkitd may take to come up: a large cache is
	// opened in seconds.
	startTimeout = 60 * time.Second
	// How long it may take to stop before it is killed. BuildKit itself gives
	// its gRPC server 5 s to end what runs.
	stopTimeout = 20 * time.Second
	// Unix socket paths are limited to 108 bytes on Linux.
	maxSocketPath = 100
)

var errNeedsLinux = fmt.Errorf("it needs Linux, and this is %s", runtime.GOOS)

// startDaemon starts buildkitd and waits until it answers. Its root is below
// opt.StateDir and is kept for the next run; a lock makes sure that no other
// run uses it meanwhile.
func startDaemon(ctx context.Context, opt Options, config daemonConfig) (_ *daemon, err error) {
	if runtime.GOOS != "linux" {
		return nil, errNeedsLinux
	}
	parts, err := findParts(opt.Buildkitd, searchPath(), os.Geteuid(), config.runc)
	if err != nil {
		return nil, err
	}
	d := &daemon{root: filepath.Join(opt.StateDir, "buildkit"), exited: make(chan struct{})}
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.release())
		}
	}()
	if err := d.takeLock(); err != nil {
		return nil, err
	}
	if err := d.awaitLast(ctx); err != nil {
		return nil, err
	}
	file, err := d.writeConfig(config, opt.InsecureRegistries)
	if err != nil {
		return nil, err
	}
	d.command = append(parts.command(), "--config", file)
	if err := d.start(d.command); err != nil {
		return nil, err
	}
	if err := d.waitReady(ctx); err != nil {
		return nil, errors.Join(err, d.terminate())
	}
	return d, nil
}

var errBusy = errors.New("in use by another run")

func (d *daemon) takeLock() error {
	d.lock = flock.New(filepath.Join(d.root, "stoker.lock"))
	free, err := d.lock.TryLock()
	if err != nil {
		return err
	}
	if !free {
		return fmt.Errorf("its root %s is %w; wait for that run, or give this one another --state-dir", d.root, errBusy)
	}
	return nil
}

// awaitLast waits for the end of the daemon of a run that was killed: it ends
// with that run, but may take seconds to. BuildKit itself holds the lock for as
// long as it lives.
func (d *daemon) awaitLast(ctx context.Context) error {
	root := filepath.Join(d.root, "root")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("the daemon of an earlier run does not end"))
	defer cancel()
	lock := flock.New(filepath.Join(root, "buildkitd.lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return errors.Join(lock.Close(), strays.Clear(d.root))
}

func (d *daemon) writeConfig(config daemonConfig, insecure []string) (string, error) {
	socket := filepath.Join(d.root, "buildkitd.sock")
	if len(socket) > maxSocketPath {
		var err error
		if d.sockDir, err = scratch.New("socket"); err != nil {
			return "", err
		}
		socket = filepath.Join(d.sockDir.Path, "buildkitd.sock")
	}
	d.address = "unix://" + socket
	config.complete(filepath.Join(d.root, "root"), d.address, insecure)
	path := filepath.Join(d.root, "buildkitd.toml")
	return path, config.write(path)
}

// start runs the daemon in a process group of its own, so that a Ctrl-C at the
// terminal does not reach it before the run has ended; it dies with this
// process in any case.
func (d *daemon) start(command []string) error {
	d.log = filepath.Join(d.root, "buildkitd.log")
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd = exec.Command(command[0], command[1:]...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// BuildKit mounts what it reads of a snapshot in the directory for temporary
	// files: below the root it is found again when the daemon was killed.
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.tmp(), "PATH="+searchPath())
	d.cmd.SysProcAttr = childAttributes()
	if err := errors.Join(os.RemoveAll(d.tmp()), os.Mkdir(d.tmp(), 0o700)); err != nil {
		return err
	}
	d.started = time.Now()
	started := make(chan error)
	go d.run(d.cmd, d.exited, started)
	return <-started
}

func (d *daemon) tmp() string { return filepath.Join(d.root, "tmp") }

// run starts the daemon and waits for its end. The kernel sends the signal of
// the parent's death when the thread that started the child ends, so that thread
// is held for as long as the daemon lives.
func (d *daemon) run(cmd *exec.Cmd, exited chan struct{}, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = cmd.Wait() // its ProcessState tells
	close(exited)
}

var errEndedAtOnce = errors.New("it ended at once")

func (d *daemon) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it did not answer within %s", startTimeout))
	defer cancel()
	c, err := client.New(ctx, d.address)
	if err != nil {
		return err
	}
	defer c.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.ListWorkers(ctx); err == nil {
			return nil
		}
		select {
		case <-d.exited:
			return fmt.Errorf("%w (%s): %s", errEndedAtOnce, d.cmd.ProcessState, d.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%w; its log is %s", context.Cause(ctx), d.log)
		case <-tick.C:
		}
	}
}

// How buildkitd (v0.34) says that it could not use runc.
const noWorker = "no worker found, rebuild the buildkit daemon?"

// lastWords returns why the daemon ended: what it says in its own name, before
// any trace, else the end of its log.
func (d *daemon) lastWords() string {
	data, err := os.ReadFile(d.log)
	if err != nil {
		return "no log: " + err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.Contains(line, noWorker) {
			return "it has no worker: runc does not work, or its configuration turns [worker.oci] off"
		}
		if strings.HasPrefix(line, "buildkitd: ") {
			return line
		}
	}
	return cmp.Or(lines[len(lines)-1], "it has said nothing")
}

// hasEnded tells whether the daemon's process is gone.
func (d *daemon) hasEnded() bool {
	select {
	case <-d.exited:
		return true
	default:
		return false
	}
}

// restart ends what is left of the daemon and starts it again, with the same
// root and address.
func (d *daemon) restart(ctx context.Context) error {
	if err := d.terminate(); err != nil {
		return err
	}
	d.exited = make(chan struct{})
	if err := d.start(d.command); err != nil {
		return err
	}
	return d.waitReady(ctx)
}

// stop ends the daemon and gives its root free.
func (d *daemon) stop() error {
	return errors.Join(d.terminate(), d.release())
}

func (d *daemon) terminate() error {
	askToEnd(d.cmd.Process)
	select {
	case <-d.exited:
	case <-time.After(stopTimeout):
	}
	// What the daemon started is in its process group too.
	if err := killGroup(d.cmd.Process); err != nil {
		return err
	}
	<-d.exited
	return strays.Clear(d.root)
}

func (d *daemon) release() error {
	var errs []error
	if d.sockDir != nil {
		errs = append(errs, d.sockDir.Close())
	}
	if d.address != "" {
		if err := os.Remove(strings.TrimPrefix(d.address, "unix://")); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}
