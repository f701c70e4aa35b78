package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"

	"github.com/stoker-build/stoker/internal/buildkitd"
	"github.com/stoker-build/stoker/internal/scratch"
)

// private is a buildkitd of Stoker's own, which one run has at a time. Its cache
// is kept for the next run.
type private struct {
	*buildkitd.Daemon
	address string
	dir     string
	lock    *flock.Flock
	sockDir *scratch.Dir // of its socket; nil where that is in dir
}

const (
	// How long a private buildkitd may take to stop before it is killed. BuildKit
	// itself gives its gRPC server 5 s to end what runs.
	stopTimeout = 20 * time.Second
	// Unix socket paths are limited to 108 bytes on Linux.
	maxSocketPath = 100
)

var errNeedsLinux = fmt.Errorf("it needs Linux, and this is %s", runtime.GOOS)

// startPrivate starts buildkitd below opt.StateDir and waits until it answers.
func startPrivate(ctx context.Context, opt Options, config privateConfig) (_ *private, err error) {
	if runtime.GOOS != "linux" {
		return nil, errNeedsLinux
	}
	parts, err := findParts(opt.Buildkitd, searchPath(), os.Geteuid(), config.runc)
	if err != nil {
		return nil, err
	}
	p := &private{dir: filepath.Join(opt.StateDir, "buildkit")}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.release())
		}
	}()
	if err := errors.Join(p.takeLock(), p.chooseAddress()); err != nil {
		return nil, err
	}
	p.Daemon, err = buildkitd.Start(ctx, buildkitd.Options{
		Command: parts.command(), Dir: p.dir, Root: filepath.Join(p.dir, "root"), Address: p.address,
		Config: config.complete(opt.InsecureRegistries), Env: []string{"PATH=" + searchPath()}, StopTimeout: stopTimeout,
	})
	return p, err
}

var errBusy = errors.New("in use by another run")

func (p *private) takeLock() error {
	p.lock = flock.New(filepath.Join(p.dir, "stoker.lock"))
	free, err := p.lock.TryLock()
	if err != nil {
		return err
	}
	if !free {
		return fmt.Errorf("its root %s is %w; wait for that run, or give this one another --state-dir", p.dir, errBusy)
	}
	return nil
}

func (p *private) chooseAddress() (err error) {
	dir := p.dir
	if len(dir)+len("/buildkitd.sock") > maxSocketPath {
		if p.sockDir, err = scratch.New("socket"); err != nil {
			return err
		}
		dir = p.sockDir.Path
	}
	p.address = "unix://" + filepath.Join(dir, "buildkitd.sock")
	return nil
}

// close ends the daemon and gives its root free.
func (p *private) close() error { return errors.Join(p.Stop(), p.release()) }

func (p *private) release() error {
	var errs []error
	if p.sockDir != nil {
		errs = append(errs, p.sockDir.Close())
	}
	if p.lock != nil {
		errs = append(errs, p.lock.Close())
	}
	return errors.Join(errs...)
}
