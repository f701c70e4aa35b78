package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/prometheus/procfs"
)

// checkLeftovers finds what still runs or is mounted below the directories of a run that has ended.
func checkLeftovers(p *parts) error {
	errs := []error{leftProcesses(p.dir), leftMounts(p.dir)}
	for _, disk := range p.disks {
		errs = append(errs, leftBallast(disk.Path()), leftProcesses(disk.Path()))
		if len(p.nodes) == 0 {
			errs = append(errs, leftMounts(disk.Path())) // a daemon that goes on may have some
		}
	}
	return errors.Join(errs...)
}

// leftProcesses finds processes that name a directory on their command line, or whose root file system is made of
// directories below it, as that of a step is.
func leftProcesses(dir string) error {
	pids, err := processes()
	if err != nil {
		return err
	}
	var errs []error
	for _, pid := range pids {
		if line := commandLine(pid); pid != os.Getpid() && (strings.Contains(line, dir) || strings.Contains(rootOf(pid), dir)) {
			errs = append(errs, fmt.Errorf("process %d is left running: %s", pid, line))
		}
	}
	return errors.Join(errs...)
}

func processes() ([]int, error) {
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range found {
		if pid, err := strconv.Atoi(filepath.Base(path)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// commandLine is how a process was started; empty when it has ended.
func commandLine(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
}

// rootOf is what the root file system of a process is made of; empty when it has ended.
func rootOf(pid int) string {
	text, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return ""
	}
	defer text.Close()
	// A process that is just ending has no mounts to read.
	mounts, _ := mountinfo.GetMountsFromReader(text, mountinfo.SingleEntryFilter("/"))
	if len(mounts) == 0 {
		return ""
	}
	return mounts[0].VFSOptions
}

// childWith finds the child of a process that names a directory on its command line; 0 when there is none.
func childWith(parent int, dir string) (int, error) {
	pids, err := processes()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		if parentOf(pid) == parent && strings.Contains(commandLine(pid), dir) {
			return pid, nil
		}
	}
	return 0, nil
}

// parentOf is the parent of a process; 0 when it has ended.
func parentOf(pid int) int {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	stat, err := process.Stat()
	if err != nil {
		return 0
	}
	return stat.PPID
}

// leftMounts finds mounts below a directory, which may be a mount itself.
func leftMounts(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range mounts {
		if m.Mountpoint != dir {
			errs = append(errs, fmt.Errorf("%s is left mounted", m.Mountpoint))
		}
	}
	return errors.Join(errs...)
}

// leftBallast finds the file that stoker keeps on a disk only while it runs.
func leftBallast(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Base(path) == ".stoker-ballast" {
			err = fmt.Errorf("%s is left on the disk", path)
		}
		return err
	})
}
