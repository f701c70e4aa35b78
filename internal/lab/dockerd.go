package lab

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/buildx/store"
	"github.com/docker/buildx/util/confutil"
	dockerclient "github.com/moby/moby/client"

	"github.com/stoker-build/stoker/internal/process"
	"github.com/stoker-build/stoker/internal/strays"
)

const (
	readyTimeout  = 60 * time.Second
	readyInterval = 50 * time.Millisecond
)

// DockerdOptions say how a docker daemon runs. The zero value keeps everything in a temporary
// directory.
type DockerdOptions struct {
	// Root is the daemon's data root. Empty: a temporary directory that Close removes. A given
	// directory is made if it is missing, and stays.
	Root string
	// Mirror is the registry (HOST:PORT) that stands for docker.io.
	Mirror string
}

// Dockerd is a docker daemon of the lab's own, with a containerd of its own. It has no network but
// the host's: containers and builds must use that, or none. Its methods may be called
// concurrently.
type Dockerd struct {
	state string // configuration, sockets, log, what its containers are run with
	root  string
	api   *dockerclient.Client
	proc  *process.Child

	closeOnce sync.Once
	closeErr  error
}

// StartDockerd starts a daemon and waits until it answers. It must run as root, with dockerd,
// containerd and runc installed. ctx bounds the start only; Close ends the daemon.
func StartDockerd(ctx context.Context, opts DockerdOptions) (*Dockerd, error) {
	if err := Root("dockerd"); err != nil {
		return nil, err
	}
	dockerd, err := exec.LookPath("dockerd")
	if err != nil {
		return nil, &MissingError{"dockerd", "not found in PATH: run `make setup`"}
	}
	d, err := prepareDockerd(opts)
	if err != nil {
		return nil, err
	}
	// The configuration file has everything: flags would clash with the machine's own file.
	if err := d.start(ctx, exec.Command(dockerd, "--config-file", d.config())); err != nil {
		return nil, errors.Join(fmt.Errorf("dockerd did not start: %w\n%s", err, tail(d.LogPath(), 2000)), d.Close())
	}
	return d, nil
}

func (d *Dockerd) start(ctx context.Context, cmd *exec.Cmd) error {
	log, err := os.Create(d.LogPath())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if d.proc, err = process.Start(cmd); err != nil {
		return err
	}
	return d.awaitReady(ctx)
}

//go:embed runc.sh
var runcScript []byte

// prepareDockerd makes the directories and files that the daemon starts with.
func prepareDockerd(opts DockerdOptions) (*Dockerd, error) {
	state, err := tempDir("docker")
	if err != nil {
		return nil, err
	}
	d := &Dockerd{state: state, root: opts.Root}
	if d.root == "" {
		d.root = filepath.Join(state, "root")
	}
	if err := d.writeState(opts.Mirror); err != nil {
		return nil, errors.Join(err, os.RemoveAll(state))
	}
	d.api, err = dockerclient.New(dockerclient.WithHost(d.Addr()))
	return d, err
}

func (d *Dockerd) writeState(mirror string) error {
	config := map[string]any{
		"data-root": d.root, "exec-root": filepath.Join(d.state, "exec"), "pidfile": filepath.Join(d.state, "pid"),
		"hosts": []string{d.Addr()}, "storage-driver": "overlay2",
		// A machine's own containerd, where there is one, must not mix up the daemons on it.
		"containerd-namespace": filepath.Base(d.state),
		"bridge":               "none", "iptables": false, "ip6tables": false,
		"runtimes": map[string]any{"lab": map[string]string{"path": d.runc()}}, "default-runtime": "lab",
	}
	if mirror != "" {
		config["registry-mirrors"] = []string{"http://" + mirror}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(d.root, 0o710),
		os.WriteFile(d.runc(), runcScript, 0o755),
		os.WriteFile(d.config(), text, 0o600))
}

func (d *Dockerd) config() string { return filepath.Join(d.state, "daemon.json") }
func (d *Dockerd) runc() string   { return filepath.Join(d.state, "runc") }

// Addr is the daemon's address, as DOCKER_HOST takes it.
func (d *Dockerd) Addr() string { return "unix://" + filepath.Join(d.state, "s.sock") }

// Root is the daemon's data root.
func (d *Dockerd) Root() string { return d.root }

// LogPath is the file that takes the daemon's output.
func (d *Dockerd) LogPath() string { return filepath.Join(d.state, "dockerd.log") }

// API is docker's own client for the daemon. It must not be closed.
func (d *Dockerd) API() *dockerclient.Client { return d.api }

func (d *Dockerd) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		_, err := d.api.Ping(ctx, dockerclient.PingOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-d.proc.Ended():
			return fmt.Errorf("it ended: %s", d.proc.State())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(readyInterval):
		}
	}
}

// BuildxBuilder makes a builder of the docker-container kind known to buildx, whose directory
// (BUILDX_CONFIG) is given, as `docker buildx create` does. toml is its buildkitd.toml. Its
// container is made by whoever uses it first, from the image that MakeBuildKit makes.
func (d *Dockerd) BuildxBuilder(dir, name, toml string) error {
	builders, err := store.New(confutil.NewConfig(nil, confutil.WithDir(dir)))
	if err != nil {
		return err
	}
	change, done, err := builders.Txn()
	if err != nil {
		return err
	}
	defer done()
	return change.Save(&store.NodeGroup{Name: name, Driver: "docker-container", Nodes: []store.Node{{
		Name: name + "0", Endpoint: d.Addr(), DriverOpts: map[string]string{"network": "host"},
		Files: map[string][]byte{"buildkitd.toml": []byte(toml)},
	}}})
}

// Close ends the containers and the daemon, removes what they left mounted, and removes the
// directories that the lab made. It may be called more than once.
func (d *Dockerd) Close() error {
	d.closeOnce.Do(func() { d.closeErr = d.close() })
	return d.closeErr
}

func (d *Dockerd) close() error {
	var errs []error
	if d.proc != nil {
		errs = append(errs, d.removeContainers(), d.api.Close(), d.proc.Stop(stopTimeout))
	}
	// A directory with a mount left in it must not be removed recursively.
	if err := errors.Join(strays.Unmount(d.root), strays.Unmount(d.state)); err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, os.RemoveAll(d.state))...)
}

// removeContainers kills all containers: the daemon would wait long for them to end.
func (d *Dockerd) removeContainers() error {
	if d.proc.HasEnded() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	list, err := d.api.ContainerList(ctx, dockerclient.ContainerListOptions{All: true})
	errs := []error{err}
	for _, c := range list.Items {
		_, err := d.api.ContainerRemove(ctx, c.ID, dockerclient.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
