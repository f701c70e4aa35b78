package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/prometheus/procfs"

	"github.com/stoker-build/stoker/internal/buildkitd"
	"github.com/stoker-build/stoker/internal/strays"
)

const (
	// stopTimeout is short since a daemon with a running step does not end by itself for long.
	stopTimeout = 5 * time.Second

	// pauseTimeout is how long it may take to stop a thread that waits for the disk.
	pauseTimeout = 10 * time.Second

	// maxSocketPath is what fits into a unix socket address, its end mark aside.
	maxSocketPath = 107
)

// BuildkitdOptions say how a BuildKit daemon runs. The zero value is a daemon without garbage
// collection in a temporary directory.
type BuildkitdOptions struct {
	// Root is where the daemon keeps its cache. Empty: a temporary directory that Close removes.
	// A given directory is made if it is missing, and stays.
	Root string
	// Insecure are the registries (HOST:PORT) that speak plain HTTP.
	Insecure []string
	// Upstreams are the registries outside of the lab that the daemon has mirrors of, or reaches.
	// With none, it reaches what the machine does.
	Upstreams []Upstream
	// GC turns the built-in garbage collector on.
	GC bool
	// MaxParallelism is how many steps may run at once; 0 is no limit.
	MaxParallelism int
	// Config changes the configuration at the last, such as a garbage collection policy.
	Config func(buildkitd.Config)
	// Relative starts the daemon in its own directory, with all paths relative to that.
	Relative bool
	// TCP is an address, "tcp://HOST:PORT", where the daemon listens too, with the certificates
	// in a directory: its own cert.pem and key.pem, and ca.pem, by which it knows its callers.
	TCP, Certificates string
	// Mounted is a directory that the daemon has as its root in a mount namespace of its own:
	// everybody else sees an empty directory there, as of a daemon in a container.
	Mounted string
}

// Buildkitd is a BuildKit daemon of the lab's own. Its methods may be called concurrently, those
// that start or stop the daemon excepted.
type Buildkitd struct {
	tools   Tools
	state   string // configuration, socket, log, temporary files
	daemon  *buildkitd.Daemon
	outside *outside // nil: the daemon reaches what the machine does

	closeOnce sync.Once
	closeErr  error
}

// StartBuildkitd starts a daemon and waits until it answers. It must run as root, with runc
// installed. ctx bounds the start only; Close ends the daemon, and so does the death of the
// calling process.
func StartBuildkitd(ctx context.Context, opts BuildkitdOptions) (*Buildkitd, error) {
	if err := Root("buildkitd"); err != nil {
		return nil, err
	}
	tools, err := FindTools()
	if err != nil {
		return nil, err
	}
	state, err := tempDir("buildkitd")
	if err != nil {
		return nil, err
	}
	d := &Buildkitd{tools: tools, state: state}
	if err := d.start(ctx, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("buildkitd did not start: %w\n%s", err, tail(d.LogPath(), 2000)), d.Close())
	}
	return d, nil
}

func (d *Buildkitd) start(ctx context.Context, opts BuildkitdOptions) (err error) {
	if n := len(d.socket()); n > maxSocketPath {
		return fmt.Errorf("socket path %s has %d bytes, %d are allowed: set a shorter TMPDIR", d.socket(), n, maxSocketPath)
	}
	run := buildkitd.Options{
		Command: []string{d.tools.Buildkitd}, Dir: d.state, Root: opts.Root, Address: d.Addr(),
		Config: d.config(opts), Relative: opts.Relative, StopTimeout: stopTimeout,
	}
	if opts.TCP != "" {
		run.Also = []string{opts.TCP}
	}
	if run.Root == "" {
		run.Root = filepath.Join(d.state, "root")
	}
	if opts.Mounted != "" {
		run.Command = []string{"unshare", "--mount", "sh", "-ec", `mount --bind "$0" "$1"; shift; exec "$@"`,
			opts.Mounted, run.Root, d.tools.Buildkitd}
	}
	if len(opts.Upstreams) > 0 {
		if d.outside, err = startOutside(ctx, opts.Upstreams); err != nil {
			return err
		}
		run.Env = d.outside.environment()
	}
	d.daemon, err = buildkitd.Start(ctx, run)
	return err
}

// config is what the daemon is told beside its root and address.
func (d *Buildkitd) config(opts BuildkitdOptions) buildkitd.Config {
	c := buildkitd.Config{
		// Daemons side by side must not meet at the default trace socket or at the machine's devices.
		"otel": map[string]any{"socketPath": filepath.Join(d.state, "otel.sock")},
		"cdi":  map[string]any{"disabled": true},
		"worker": map[string]any{
			"containerd": map[string]any{"enabled": false},
			// Steps use the host's network: nothing then depends on CNI plugins.
			"oci": map[string]any{"enabled": true, "snapshotter": "overlayfs", "networkMode": "host", "gc": opts.GC,
				"max-parallelism": opts.MaxParallelism},
		},
	}
	if in := opts.Certificates; in != "" {
		c["grpc"] = map[string]any{"tls": map[string]any{
			"cert": filepath.Join(in, "cert.pem"), "key": filepath.Join(in, "key.pem"), "ca": filepath.Join(in, "ca.pem")}}
	}
	configureRegistries(c, opts.Insecure, opts.Upstreams)
	if opts.Config != nil {
		opts.Config(c)
	}
	return c
}

func (d *Buildkitd) socket() string { return filepath.Join(d.state, "s.sock") }

// Addr is the daemon's address, "unix://...". It stays the same over restarts.
func (d *Buildkitd) Addr() string { return "unix://" + d.socket() }

// Root is the directory of the daemon's cache.
func (d *Buildkitd) Root() string { return d.daemon.Root() }

// LogPath is the file that takes the daemon's output, over all restarts.
func (d *Buildkitd) LogPath() string { return filepath.Join(d.state, "buildkitd.log") }

// Client connects to the daemon. The caller closes the client.
func (d *Buildkitd) Client(ctx context.Context) (*client.Client, error) {
	return client.New(ctx, d.Addr())
}

// Kill ends the daemon at once, as a crash or the out-of-memory killer would, together with the
// containers and mounts of its running steps, as the end of its own container would.
func (d *Buildkitd) Kill() error { return d.daemon.Kill() }

// Pause stops the daemon in its tracks (SIGSTOP): connections stay open and nothing answers. On a
// busy machine it takes a while until each thread has stopped, and Pause waits for that.
func (d *Buildkitd) Pause() error {
	if err := d.daemon.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(pauseTimeout); ; time.Sleep(time.Millisecond) {
		if stopped, err := isStopped(d.daemon.Pid()); stopped || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("buildkitd (process %d) has not stopped %s after it was told to", d.daemon.Pid(), pauseTimeout)
		}
	}
}

// isStopped tells that no thread of a process runs on.
func isStopped(pid int) (bool, error) {
	threads, err := procfs.AllThreads(pid)
	if err != nil {
		return false, err
	}
	for _, thread := range threads {
		if stat, err := thread.Stat(); err != nil || stat.State != "T" { // or it has ended since
			return false, nil
		}
	}
	return len(threads) > 0, nil
}

// Resume lets a paused daemon go on.
func (d *Buildkitd) Resume() error { return d.daemon.Signal(syscall.SIGCONT) }

// Restart stops the daemon, if it still runs, and starts it again with the same cache and address.
func (d *Buildkitd) Restart(ctx context.Context) error { return d.daemon.Restart(ctx) }

// Close stops the daemon, removes what it left mounted or running, and removes the directories
// that the lab made. It may be called more than once.
func (d *Buildkitd) Close() error {
	d.closeOnce.Do(func() { d.closeErr = d.close() })
	return d.closeErr
}

func (d *Buildkitd) close() error {
	var err error
	if d.daemon != nil {
		err = d.daemon.Stop()
	}
	if d.outside != nil {
		err = errors.Join(err, d.outside.Close())
	}
	// A directory with a mount left in it must not be removed recursively.
	if err = errors.Join(err, strays.Unmount(d.state)); err != nil {
		return err
	}
	return os.RemoveAll(d.state)
}

// tempDir makes a directory with a short path, symbolic links resolved, as the mount table has it.
func tempDir(kind string) (string, error) { return tempDirIn("", kind) }

// tempDirIn makes it in a given directory; empty stands for the system's.
func tempDirIn(parent, kind string) (string, error) {
	dir, err := os.MkdirTemp(parent, "stoker-"+kind+"-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// tail is the end of a file, for error texts.
func tail(path string, bytes int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-bytes):])
}
