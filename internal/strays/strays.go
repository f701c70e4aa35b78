// Package strays clears away what a killed buildkitd leaves behind: the
// containers of running steps, and what is mounted below its root. A daemon
// that ends in order leaves nothing.
package strays

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// runcState is where runc keeps what it knows of its containers when it is not
// told otherwise, which BuildKit (v0.34) does not do.
const runcState = "/run/runc"

// How long runc may take to delete a container.
const deleteTimeout = 30 * time.Second

// Clear deletes the containers of the daemon with a root, with their processes,
// and unmounts everything strictly below the root and other directories of the
// daemon's. The daemon must not run. Without the rights of root nothing can be in
// the way, and nothing is done.
func Clear(root string, others ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	err := deleteContainers(root)
	for _, dir := range append([]string{root}, others...) {
		err = errors.Join(err, Unmount(dir))
	}
	return err
}

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
		errs = append(errs, deleteContainer(filepath.Base(filepath.Dir(path))))
	}
	return errors.Join(errs...)
}

func deleteContainer(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deleteTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, runc(), "delete", "--force", id).CombinedOutput(); err != nil {
		return fmt.Errorf("delete container %s: %w: %s", id, err, out)
	}
	return nil
}

// runc returns the program that runs containers, under either of the names that
// BuildKit looks for.
func runc() string {
	if path, err := exec.LookPath("buildkit-runc"); err == nil {
		return path
	}
	return "runc"
}

// bundleUnder tells whether a container's state names a bundle under root. A
// state that cannot be read belongs to a container that is just ending.
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

// Unmount unmounts everything strictly below dir, the newest mount first.
func Unmount(dir string) error {
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
