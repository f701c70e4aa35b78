package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// runcState is where runc keeps what it knows of its containers when it is not told otherwise,
// which BuildKit does not do.
const runcState = "/run/runc"

// deleteContainers removes the containers whose bundle lies under root.
func deleteContainers(root string) error {
	states, err := filepath.Glob(filepath.Join(runcState, "*", "state.json"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range states {
		if !bundleUnder(path, root) {
			continue
		}
		id := filepath.Base(filepath.Dir(path))
		out, err := exec.Command("runc", "delete", "--force", id).CombinedOutput()
		if err != nil {
			errs = append(errs, fmt.Errorf("delete container %s: %w: %s", id, err, out))
		}
	}
	return errors.Join(errs...)
}

// bundleUnder tells whether a container's state names a bundle under root. A state that cannot be
// read belongs to a container that is just ending.
func bundleUnder(statePath, root string) bool {
	text, err := os.ReadFile(statePath)
	if err != nil {
		return false
	}
	var state struct {
		Config struct {
			Labels []string `json:"labels"`
		} `json:"config"`
	}
	if json.Unmarshal(text, &state) != nil {
		return false
	}
	for _, label := range state.Config.Labels {
		if strings.HasPrefix(label, "bundle="+root+"/") {
			return true
		}
	}
	return false
}

// unmountUnder unmounts everything strictly below dir, the newest mount first.
func unmountUnder(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	var errs []error
	for i := len(mounts) - 1; i >= 0; i-- {
		if point := mounts[i].Mountpoint; point != dir {
			errs = append(errs, unmount(point))
		}
	}
	return errors.Join(errs...)
}

// unmount unmounts one mount point. A mount that stays busy is detached: it then goes when its
// last user ends.
func unmount(point string) error {
	err := unix.Unmount(point, 0)
	for try := 0; errors.Is(err, unix.EBUSY) && try < 20; try++ {
		time.Sleep(50 * time.Millisecond)
		err = unix.Unmount(point, 0)
	}
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(point, unix.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", point, err)
	}
	return nil
}
