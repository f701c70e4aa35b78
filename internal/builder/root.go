package builder

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/continuity/fs"
	bkconfig "github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/util/appdefaults"
)

// localRoot finds the directory in which a daemon that listens on a unix socket
// of this machine keeps its cache; empty where it cannot be told. It asks the
// socket for the daemon's process, and that for what it was started with.
func localRoot(address string) string {
	path, local := strings.CutPrefix(address, "unix://")
	if !local {
		return ""
	}
	pid, err := Listener(path)
	if err != nil || pid <= 0 {
		return ""
	}
	return processOf(pid).cacheRoot()
}

// process is a running daemon, as /proc shows it. What may not be looked at is
// empty.
type process struct {
	args []string
	env  []string
	cwd  string // as the process itself names it
	// root is where the process's own root directory is seen from here: it may
	// live in a container, or in a mount namespace of rootlesskit.
	root string
	// userNS tells that the process's ids are not the machine's.
	userNS bool
}

func processOf(pid int) process {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	p := process{args: nulls(dir, "cmdline"), env: nulls(dir, "environ")}
	p.cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
	if root := filepath.Join(dir, "root"); isDir(root + "/.") {
		p.root = root
	}
	mapped, err := os.ReadFile(filepath.Join(dir, "uid_map"))
	p.userNS = err == nil && strings.Join(strings.Fields(string(mapped)), " ") != "0 0 4294967295"
	return p
}

// nulls reads a file of strings that end in a null byte each.
func nulls(dir, name string) []string {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || len(raw) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// cacheRoot reads a buildkitd's root off its flag, else its configuration file,
// else its defaults, and returns where that directory is seen from here; empty
// where it is not. The order and the defaults are those of main.go in BuildKit's
// cmd/buildkitd (v0.34).
func (p process) cacheRoot() string {
	if len(p.args) == 0 || filepath.Base(p.args[0]) != "buildkitd" {
		return ""
	}
	root := flagValue(p.args, "root")
	if root == "" {
		config, err := p.config()
		if err != nil {
			return ""
		}
		root = config.Root
	}
	if root == "" {
		root = p.defaultDir(appdefaults.Root, "XDG_DATA_HOME", ".local/share")
	}
	if seen, err := p.seen(root); err == nil && isDir(seen) {
		return seen
	}
	return ""
}

// config returns what the configuration file has; nothing where there is no file.
func (p process) config() (bkconfig.Config, error) {
	file := flagValue(p.args, "config")
	if file == "" {
		file = p.getenv("BUILDKITD_CONFIG")
	}
	if file == "" {
		file = filepath.Join(p.defaultDir(appdefaults.ConfigDir, "XDG_CONFIG_HOME", ".config"), "buildkitd.toml")
	}
	seen, err := p.seen(file)
	if errors.Is(err, os.ErrNotExist) {
		return bkconfig.Config{}, nil
	}
	if err != nil {
		return bkconfig.Config{}, err
	}
	return bkconfig.LoadFile(seen)
}

// defaultDir is where a daemon keeps things that was told nothing else: one that
// root runs in dir, one that a user runs in a user namespace below their home.
func (p process) defaultDir(dir, xdg, home string) string {
	user := p.getenv("USER")
	if !p.userNS || user == "" || user == "root" {
		return dir
	}
	if parent, _, _ := strings.Cut(p.getenv(xdg), ":"); parent != "" {
		return filepath.Join(parent, "buildkit")
	}
	if parent := p.getenv("HOME"); parent != "" {
		return filepath.Join(parent, home, "buildkit")
	}
	return dir
}

func (p process) getenv(name string) string {
	for _, kv := range p.env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// seen returns where a path of the process is seen from here: under its own
// name where that is the same file, else through the process's root directory.
func (p process) seen(path string) (string, error) {
	if !filepath.IsAbs(path) {
		if p.cwd == "" {
			return "", errors.New("the process's working directory may not be looked at")
		}
		path = filepath.Join(p.cwd, path)
	}
	if p.root == "" {
		return path, nil // it may not be looked into; most live where we do
	}
	through, err := fs.RootPath(p.root, path) // symbolic links are the process's, too
	if err != nil {
		return "", err
	}
	theirs, err := os.Stat(through)
	if err != nil {
		return "", err
	}
	if ours, err := os.Stat(path); err == nil && os.SameFile(ours, theirs) {
		return path, nil
	}
	return through, nil
}

// flagValue returns the value of a flag, which one dash begins or two; empty
// where it is not given. As with buildkitd, the last one counts.
func flagValue(args []string, name string) (value string) {
	for i, a := range args {
		flag := strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-")
		if flag == a {
			continue
		}
		if v, ok := strings.CutPrefix(flag, name+"="); ok {
			value = v
		}
		if flag == name && i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value
}
