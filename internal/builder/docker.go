package builder

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	buildxbuilder "github.com/docker/buildx/builder"
	"github.com/docker/buildx/util/confutil"
	"github.com/moby/buildkit/client/connhelper/dockercontainer"
	"github.com/moby/moby/api/types/container"
	dockerclient "github.com/moby/moby/client"
	"github.com/moby/sys/mountinfo"
)

// rootOf finds the directory that holds a node's cache; empty where it is on
// another machine or cannot be told.
func (o *opener) rootOf(ctx context.Context, n buildxbuilder.Node) string {
	config := n.Driver.Config()
	scheme, name, _ := strings.Cut(config.EndpointAddr, "://")
	switch {
	case o.private != nil:
		return o.private.dir
	case n.Driver.IsMobyDriver():
		return dockerRoot(ctx, config.DockerAPI, "")
	case n.Driver.Factory().Name() == "docker-container":
		return dockerRoot(ctx, config.DockerAPI, config.Name)
	case scheme == "docker-container":
		return o.namedContainerRoot(ctx, config.EndpointAddr)
	case scheme == "unix" && name != "":
		return localRoot(config.EndpointAddr)
	}
	return ""
}

// namedContainerRoot is dockerRoot for an address such as
// docker-container://NAME?context=CONTEXT.
func (o *opener) namedContainerRoot(ctx context.Context, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	spec, err := dockercontainer.SpecFromURL(u)
	if err != nil {
		return ""
	}
	api, err := o.docker().API(spec.Context)
	if err != nil {
		return ""
	}
	defer api.Close()
	return dockerRoot(ctx, api, spec.Container)
}

// dockerRoot returns where docker keeps the cache of the BuildKit that runs in a
// container, or of its own for no container; empty where docker is on another
// machine or does not say.
func dockerRoot(ctx context.Context, api dockerclient.APIClient, containerName string) string {
	info, err := api.Info(ctx, dockerclient.InfoOptions{})
	if err != nil || !onThisMachine(api.DaemonHost(), info.Info.Name) {
		return ""
	}
	if containerName == "" {
		return visible(info.Info.DockerRootDir)
	}
	c, err := api.ContainerInspect(ctx, containerName, dockerclient.ContainerInspectOptions{})
	if err != nil {
		return ""
	}
	if volume := mountedAt(c.Container.Mounts, confutil.DefaultBuildKitStateDir); volume != "" {
		return visible(volume)
	}
	return visible(info.Info.DockerRootDir) // in the container's own layer
}

// onThisMachine tells whether a docker daemon is, and not behind a socket that is
// forwarded from another machine or a virtual one.
func onThisMachine(address, machine string) bool {
	socket, local := strings.CutPrefix(address, "unix://")
	if !local {
		return false
	}
	if _, err := os.Stat(socket); err != nil {
		return false
	}
	own, err := os.Hostname()
	return err == nil && own == machine
}

// mountedAt returns the directory of this machine that a container sees as dir;
// empty for none.
func mountedAt(mounts []container.MountPoint, dir string) string {
	for _, m := range mounts {
		if m.Destination == dir {
			return m.Source
		}
	}
	return ""
}

// visible returns a path on the disk that holds a directory: that itself, else,
// where one may not look into what is docker's, the nearest of its parents, as
// long as it is on the same disk. It is empty where there is no such directory.
func visible(dir string) string {
	at := dir
	for {
		_, err := os.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrPermission) {
			return ""
		}
		at = filepath.Dir(at)
	}
	between, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !within(dir, m.Mountpoint) || within(at, m.Mountpoint), false
	})
	if err != nil || len(between) > 0 {
		return "" // another disk is mounted below what can be seen
	}
	return at
}

// within tells whether a path is a directory or something below it.
func within(path, dir string) bool {
	return dir == "/" || path == dir || strings.HasPrefix(path, dir+"/")
}
