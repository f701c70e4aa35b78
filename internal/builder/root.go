package builder

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	bkconfig "github.com/moby/buildkit/cmd/buildkitd/config"
	"golang.org/x/sys/unix"
)

// localRoot finds the directory in which a daemon that listens on a unix socket
// of this machine keeps its cache; empty where it cannot be told. It asks the
// socket for the daemon's process, and that for its command line.
func localRoot(address string) string {
	path, local := strings.CutPrefix(address, "unix://")
	if !local {
		return ""
	}
	pid, err := peer(path)
	if err != nil || pid <= 0 {
		return ""
	}
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	root := rootOf(strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00"))
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return ""
	}
	return root
}

// peer returns the process that listens on a unix socket.
func peer(path string) (pid int, err error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil || sockErr != nil {
		return 0, sockErr
	}
	return int(cred.Pid), nil
}

// The root of a daemon that was told nothing else, when it runs as root.
const defaultRoot = "/var/lib/buildkit"

// rootOf reads the root off a buildkitd command line: its flag, else its
// configuration file, else the default.
func rootOf(args []string) string {
	if len(args) == 0 || filepath.Base(args[0]) != "buildkitd" {
		return ""
	}
	if root := flagValue(args, "--root"); root != "" {
		return root
	}
	file := flagValue(args, "--config")
	if file == "" {
		file = "/etc/buildkit/buildkitd.toml"
	}
	if config, err := bkconfig.LoadFile(file); err == nil && config.Root != "" {
		return config.Root
	}
	return defaultRoot
}

func flagValue(args []string, flag string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, flag+"="); ok {
			return v
		}
		if a == flag && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
