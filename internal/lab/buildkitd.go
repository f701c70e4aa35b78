package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/strays"
)

const (
	readyTimeout  = 60 * time.Second
	readyInterval = 50 * time.Millisecond
	// stopTimeout is short since a daemon with a running step does not end by itself for long.
	stopTimeout = 5 * time.Second

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
	// Worker are raw TOML lines for [worker.oci], such as a garbage collection policy
	// ("maxUsedSpace = '600MB'"). Lines of tables below it ([[worker.oci.gcpolicy]]) come last.
	Worker string
	// GC turns the built-in garbage collector on.
	GC bool
	// MaxParallelism is how many steps may run at once; 0 is no limit.
	MaxParallelism int
	// TOML are raw lines for the top of the configuration file.
	TOML string
	// Relative starts the daemon in its own directory, with all paths relative to that.
	Relative bool
	// Mounted is a directory that the daemon has as its root in a mount namespace of its own:
	// everybody else sees an empty directory there, as of a daemon in a container.
	Mounted string
}

// Buildkitd is a BuildKit daemon of the lab's own. Its methods may be called concurrently, those
// that start or stop the daemon excepted.
type Buildkitd struct {
	tools Tools
	opts  BuildkitdOptions
	state string // configuration, socket, log, temporary files
	root  string
	proc  *process

	outside *outside // nil: the daemon reaches what the machine does

	closeOnce sync.Once
	closeErr  error
}

// StartBuildkitd starts a daemon and waits until it answers. It must run as root, with runc
// installed. ctx bounds the start only; Close ends the daemon, and so does the death of the
// calling process.
func StartBuildkitd(ctx context.Context, opts BuildkitdOptions) (*Buildkitd, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("buildkitd must be started as root")
	}
	tools, err := FindTools()
	if err != nil {
		return nil, err
	}
	d, err := prepareBuildkitd(ctx, tools, opts)
	if err != nil {
		return nil, err
	}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// prepareBuildkitd makes the directories, the configuration file and what stands for the outside.
func prepareBuildkitd(ctx context.Context, tools Tools, opts BuildkitdOptions) (*Buildkitd, error) {
	state, err := tempDir("buildkitd")
	if err != nil {
		return nil, err
	}
	d := &Buildkitd{tools: tools, opts: opts, state: state, root: opts.Root}
	if d.root == "" {
		d.root = filepath.Join(state, "root")
	}
	if err := d.writeState(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(state))
	}
	if len(opts.Upstreams) > 0 {
		if d.outside, err = startOutside(ctx, opts.Upstreams); err != nil {
			return nil, errors.Join(err, os.RemoveAll(state))
		}
	}
	return d, nil
}

func (d *Buildkitd) writeState() error {
	if n := len(d.socket()); n > maxSocketPath {
		return fmt.Errorf("socket path %s has %d bytes, %d are allowed: set a shorter TMPDIR", d.socket(), n, maxSocketPath)
	}
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return err
	}
	root, err := filepath.EvalSymlinks(d.root)
	if err != nil {
		return err
	}
	if d.root, err = filepath.Abs(root); err != nil {
		return err
	}
	if err := os.Mkdir(d.tmp(), 0o700); err != nil {
		return err
	}
	text, err := d.toml()
	if err != nil {
		return err
	}
	return os.WriteFile(d.config(), []byte(text), 0o600)
}

func (d *Buildkitd) toml() (string, error) {
	opts := d.opts
	root, err := d.named(d.root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "root = %q\n", root)
	if opts.TOML != "" {
		fmt.Fprintln(&b, opts.TOML)
	}
	fmt.Fprintf(&b, "[grpc]\naddress = [%q]\n", d.Addr())
	// Daemons side by side must not meet at the default trace socket or at the machine's devices.
	fmt.Fprintf(&b, "[otel]\nsocketPath = %q\n[cdi]\ndisabled = true\n", filepath.Join(d.state, "otel.sock"))
	b.WriteString(registriesTOML(opts.Insecure, opts.Upstreams))
	fmt.Fprintln(&b, "[worker.containerd]\nenabled = false")
	// Steps use the host's network: nothing then depends on CNI plugins.
	fmt.Fprintln(&b, "[worker.oci]\nenabled = true\nsnapshotter = \"overlayfs\"\nnetworkMode = \"host\"")
	fmt.Fprintf(&b, "gc = %t\n", opts.GC)
	if opts.MaxParallelism > 0 {
		fmt.Fprintf(&b, "max-parallelism = %d\n", opts.MaxParallelism)
	}
	if opts.Worker != "" {
		fmt.Fprintln(&b, opts.Worker)
	}
	return b.String(), nil
}

// named is a path as the daemon is told it.
func (d *Buildkitd) named(path string) (string, error) {
	if !d.opts.Relative {
		return path, nil
	}
	return filepath.Rel(d.state, path)
}

func (d *Buildkitd) config() string { return filepath.Join(d.state, "buildkitd.toml") }
func (d *Buildkitd) socket() string { return filepath.Join(d.state, "s.sock") }
func (d *Buildkitd) tmp() string    { return filepath.Join(d.state, "tmp") }

// Addr is the daemon's address, "unix://...". It stays the same over restarts.
func (d *Buildkitd) Addr() string { return "unix://" + d.socket() }

// Root is the directory of the daemon's cache.
func (d *Buildkitd) Root() string { return d.root }

// LogPath is the file that takes the daemon's output, over all restarts.
func (d *Buildkitd) LogPath() string { return filepath.Join(d.state, "buildkitd.log") }

// Client connects to the daemon. The caller closes the client.
func (d *Buildkitd) Client(ctx context.Context) (*client.Client, error) {
	return client.New(ctx, d.Addr())
}

func (d *Buildkitd) start(ctx context.Context) error {
	cmd, err := d.command()
	if err != nil {
		return err
	}
	proc, err := startProcess(d.LogPath(), cmd)
	if err != nil {
		return err
	}
	d.proc = proc
	if err := d.awaitReady(ctx); err != nil {
		return fmt.Errorf("buildkitd did not start: %w\n%s", err, tail(d.LogPath(), 2000))
	}
	return nil
}

// command is how the daemon is started.
func (d *Buildkitd) command() (*exec.Cmd, error) {
	config, err := d.named(d.config())
	if err != nil {
		return nil, err
	}
	args := []string{d.tools.Buildkitd, "--config", config}
	if d.opts.Mounted != "" {
		args = append([]string{"unshare", "--mount", "sh", "-ec", `mount --bind "$0" "$1"; shift; exec "$@"`,
			d.opts.Mounted, d.root}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "TMPDIR="+d.tmp())
	if d.outside != nil {
		cmd.Env = append(cmd.Env, d.outside.environment()...)
	}
	if d.opts.Relative {
		cmd.Dir = d.state
	}
	return cmd, nil
}

func (d *Buildkitd) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	c, err := d.Client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		workers, err := c.ListWorkers(ctx)
		if err == nil && len(workers) > 0 {
			return nil
		}
		select {
		case <-d.proc.done:
			return fmt.Errorf("it ended: %w", d.proc.err)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(readyInterval):
		}
	}
}

// Kill ends the daemon at once, as a crash or the out-of-memory killer would, together with the
// containers and mounts of its running steps, as the end of its own container would.
func (d *Buildkitd) Kill() error {
	d.proc.kill()
	return d.clearStrays()
}

// Pause stops the daemon in its tracks (SIGSTOP): connections stay open and nothing answers.
func (d *Buildkitd) Pause() error { return d.proc.signal(syscall.SIGSTOP) }

// Resume lets a paused daemon go on.
func (d *Buildkitd) Resume() error { return d.proc.signal(syscall.SIGCONT) }

// Restart stops the daemon, if it still runs, and starts it again with the same cache and address.
func (d *Buildkitd) Restart(ctx context.Context) error {
	d.proc.stop(stopTimeout)
	if err := d.clearStrays(); err != nil {
		return err
	}
	return d.start(ctx)
}

// Close stops the daemon, removes what it left mounted or running, and removes the directories
// that the lab made. It may be called more than once.
func (d *Buildkitd) Close() error {
	d.closeOnce.Do(func() { d.closeErr = d.close() })
	return d.closeErr
}

func (d *Buildkitd) close() error {
	if d.proc != nil {
		d.proc.stop(stopTimeout)
	}
	if d.outside != nil {
		if err := d.outside.Close(); err != nil {
			return err
		}
	}
	// A directory with a mount left in it must not be removed recursively.
	if err := d.clearStrays(); err != nil {
		return err
	}
	return os.RemoveAll(d.state)
}

func (d *Buildkitd) clearStrays() error {
	return errors.Join(
		strays.Clear(d.root),
		strays.Unmount(d.state),
	)
}

// process is a child in a process group of its own.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set when done is closed
}

// startProcess starts a program with its output appended to a log file.
func startProcess(logPath string, cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started, log)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the program and waits for its end. The parent-death signal is sent when the thread
// that started the child ends, so that thread is held for as long as the child lives.
func (p *process) run(started chan<- error, log *os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer log.Close()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	if p.err == nil {
		p.err = errors.New("exit status 0")
	}
	close(p.done)
}

func (p *process) signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// stop asks the process to end and kills it when it has not ended in time.
func (p *process) stop(timeout time.Duration) {
	// A process that has ended already cannot be signalled; done tells.
	_ = p.signal(syscall.SIGTERM)
	_ = p.signal(syscall.SIGCONT)
	select {
	case <-p.done:
	case <-time.After(timeout):
		p.kill()
	}
}

// kill kills the process group and waits for the end.
func (p *process) kill() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
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
