package lab_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/moby/api/types/container"
	dockerclient "github.com/moby/moby/client"
	"github.com/moby/sys/mountinfo"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// A docker daemon that is closed leaves no container and no mount behind.
func TestDockerdLeavesNothing(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Bases(t, registry, tiny)[0]
	root := filepath.Join(t.TempDir(), "docker")
	d, err := lab.StartDockerd(t.Context(), lab.DockerdOptions{Root: root})
	labtest.Made(t, "start dockerd", err)
	pid, err := runContainer(t, d.API(), base.Ref)
	if err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	// Of a process that has ended, but that nobody has waited for, this is empty.
	if command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(command) > 0 {
		t.Errorf("the container still runs %q", command)
	}
	for _, dir := range []string{root, filepath.Dir(d.LogPath())} {
		if mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir)); err != nil || len(mounts) > 0 {
			t.Errorf("mounts below %s: %v, %v", dir, mounts, err)
		}
	}
	if _, err := os.Stat(d.LogPath()); !os.IsNotExist(err) {
		t.Errorf("the daemon's directory is still there: %v", err)
	}
}

// runContainer runs a container that does not end by itself, and returns its process.
func runContainer(t *testing.T, api *dockerclient.Client, ref string) (pid int, err error) {
	pulled, err := api.ImagePull(t.Context(), ref, dockerclient.ImagePullOptions{})
	if err == nil {
		err = pulled.Wait(t.Context())
	}
	if err != nil {
		return 0, err
	}
	c, err := api.ContainerCreate(t.Context(), dockerclient.ContainerCreateOptions{
		Config:     &container.Config{Image: ref, Cmd: []string{"sleep", "1000"}},
		HostConfig: &container.HostConfig{NetworkMode: "none", Privileged: true},
	})
	if err != nil {
		return 0, err
	}
	if _, err := api.ContainerStart(t.Context(), c.ID, dockerclient.ContainerStartOptions{}); err != nil {
		return 0, err
	}
	running, err := api.ContainerInspect(t.Context(), c.ID, dockerclient.ContainerInspectOptions{})
	if err != nil {
		return 0, err
	}
	return running.Container.State.Pid, nil
}
