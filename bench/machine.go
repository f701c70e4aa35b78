package main

import (
	"bufio"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

// loadUnit is a load of one in sysinfo(2).
const loadUnit = 1 << 16

// machine tells what the measuring is done with.
func machine(ctx context.Context, stoker string) (report.Machine, error) {
	m := report.Machine{
		Date: time.Now().UTC().Format("2006-01-02 15:04 MST"),
		CPU:  cpuModel(), CPUs: runtime.NumCPU(),
		Go: runtime.Version(),
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, err
	}
	m.Load = float64(info.Loads[0]) / loadUnit
	m.Memory = int64(info.Totalram) * int64(info.Unit)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, err
	}
	m.Kernel = unix.ByteSliceToString(name.Release[:])
	var err error
	if m.BuildKit, err = buildkitVersion(); err != nil {
		return m, err
	}
	out, err := exec.CommandContext(ctx, stoker, "--version").Output()
	if err != nil {
		return m, fmt.Errorf("%s --version: %w", stoker, err)
	}
	m.Stoker = strings.TrimPrefix(strings.TrimSpace(string(out)), "stoker ")
	return m, nil
}

func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// buildkitVersion is the version of the daemon's module: built from source, the daemon itself does
// not know it.
func buildkitVersion() (string, error) {
	tools, err := lab.FindTools()
	if err != nil {
		return "", err
	}
	info, err := buildinfo.ReadFile(tools.Buildkitd)
	if err != nil {
		return "", err
	}
	return info.Main.Version, nil
}

// settle has everything written out that earlier runs left to the disk, so that it is not on the
// next one's bill.
func settle() { unix.Sync() }
