package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/stoker-build/stoker/internal/lab"
)

const (
	mb = 1 << 20

	// address is the registry's, and host is how commands name it: always the same, so that pictures differ as little
	// as possible from one time to the next.
	address = "127.0.0.1:5000"
	host    = "localhost:5000"
)

// work is what a scene builds, and on what.
type work struct {
	images     int
	dockerfile string
	install    string // the script that the Dockerfile runs
	shape      lab.Shape
	disk       int64
}

// agents is work as that of the demo: base images of SWE-bench's shape on a disk that holds a part of what is built.
func agents(images int) work {
	return work{
		images: images,
		dockerfile: `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY agent/ /opt/agent/
RUN /opt/agent/install.sh
WORKDIR /testbed
`,
		install: `#!/bin/sh
set -e
mkdir /opt/agent/packages
for n in 1 2 3 4 5; do
	head -c 4194304 /dev/urandom > /opt/agent/packages/$n
	echo "installed package $n"
done
`,
		shape: lab.Shape{OSBytes: 24 * mb, EnvBytes: 16 * mb, EnvLayers: 2, OwnBytes: 2 * mb, OwnFiles: 20},
		disk:  1500 * mb,
	}
}

// fragile is work that fails for the images of one project.
func fragile(images int) work {
	w := agents(images)
	w.dockerfile = `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY agent/ /opt/agent/
ARG BASE_IMAGE
RUN /opt/agent/install.sh "$BASE_IMAGE"
WORKDIR /testbed
`
	w.install = `#!/bin/sh
set -e
mkdir /opt/agent/packages
for n in 1 2 3 4 5 6 7 8 9 10; do
	head -c 2097152 /dev/urandom > /opt/agent/packages/$n
	echo "installed package $n"
	sleep 0.2
	case "$n $1" in 4*matplotlib*)
		echo "building the wheel of ft2font"
		echo "src/ft2font.h:10: fatal error: ft2build.h: No such file or directory" >&2
		exit 1
	esac
done
`
	return w
}

// broken is work that fails at the same step for every image.
func broken(images int) work {
	w := agents(images)
	w.install = "#!/bin/sh\necho \"installing the agent\"\npip3 install agent-tools==2.1\n"
	w.shape = lab.Shape{OSBytes: 1 * mb, EnvBytes: mb / 4, OwnBytes: 1000}
	return w
}

// parts are what a scene runs on. The builder is one that stoker starts, as it does where nothing else is found.
type parts struct {
	path     string // of programs
	registry *lab.Registry
	disk     *lab.Disk
}

func makeParts(ctx context.Context, stoker string, instances []string, w work) (_ *parts, err error) {
	tools, err := lab.FindTools()
	if err != nil {
		return nil, err
	}
	p := &parts{path: strings.Join([]string{filepath.Dir(stoker), filepath.Dir(tools.Buildkitd), os.Getenv("PATH")}, ":")}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.registry, err = lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true, Addr: address}); err != nil {
		return nil, fmt.Errorf("start the registry, which the pictures name by its address: %w", err)
	}
	if p.disk, err = lab.NewDisk(w.disk); err != nil {
		return nil, err
	}
	w.shape.Instances = lab.Spread(instances, w.images)
	bases, err := lab.MakeBases(ctx, host, w.shape)
	if err != nil {
		return nil, err
	}
	return p, p.write(w, bases)
}

// write writes what commands name: an image list, a Dockerfile, and a context.
func (p *parts) write(w work, bases []lab.Base) error {
	var list strings.Builder
	for _, base := range bases {
		fmt.Fprintln(&list, base.Ref)
	}
	dir := filepath.Join(p.disk.Path(), "work")
	agent := filepath.Join(dir, "agent")
	return errors.Join(
		os.MkdirAll(agent, 0o755),
		os.WriteFile(filepath.Join(dir, "bases.txt"), []byte(list.String()), 0o644),
		os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(w.dockerfile), 0o644),
		os.WriteFile(filepath.Join(agent, "install.sh"), []byte(w.install), 0o755),
	)
}

// home is where commands see the disk, in a mount namespace of their own: paths are the same each time.
const home = "/mnt"

// command is a command line of stoker, with nothing of this machine's own in its environment.
func (p *parts) command(line string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", `mount --bind "$DISK" `+home+` && unset DISK && cd `+home+`/work && exec `+line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.Env = []string{"PATH=" + p.path, "HOME=" + home, "TERM=xterm-256color", "LANG=C.UTF-8", "STOKER_STATE_DIR=" + home + "/stoker", "DISK=" + p.disk.Path()}
	return cmd
}

// close takes down what was made; makeParts may not have come to all of it.
func (p *parts) close() error {
	var errs []error
	if p.disk != nil {
		errs = append(errs, p.disk.Close())
	}
	if p.registry != nil {
		errs = append(errs, p.registry.Close())
	}
	return errors.Join(errs...)
}
