package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// A daemon's root is what its command line, configuration, environment and
// working directory say, as it sees them itself.
func TestCacheRoot(t *testing.T) {
	machine := t.TempDir() // stands for "/" of a process in a container
	for path, text := range map[string]string{
		"srv/run/relative.toml":              `root = "data"`,
		"srv/run/absolute.toml":              `root = "/srv/data"`,
		"srv/run/none.toml":                  `debug = true`,
		"srv/run/broken.toml":                `root = `,
		"etc/buildkit/buildkitd.toml":        `root = "/srv/data"`,
		"xdg/config/buildkit/buildkitd.toml": `root = "/srv/data"`,
	} {
		path = filepath.Join(machine, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"srv/data", "var/lib/buildkit", "home/u/.local/share/buildkit", "xdg/data/buildkit"} {
		if err := os.MkdirAll(filepath.Join(machine, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/srv/data", filepath.Join(machine, "link")); err != nil {
		t.Fatal(err)
	}
	at := func(dir string) string { return filepath.Join(machine, dir) }
	user := []string{"USER=u", "HOME=/home/u"}

	for _, c := range []struct {
		name string
		p    process
		want string
	}{
		{"relative file, relative root", process{args: []string{"buildkitd", "--config", "run/relative.toml"}, cwd: "/srv"}, at("srv/data")},
		{"relative file, absolute root", process{args: []string{"/usr/bin/buildkitd", "--config=run/absolute.toml"}, cwd: "/srv"}, at("srv/data")},
		{"absolute file, relative root", process{args: []string{"buildkitd", "-config", "/srv/run/relative.toml"}, cwd: "/srv"}, at("srv/data")},
		{"file named by the environment", process{args: []string{"buildkitd"}, env: []string{"BUILDKITD_CONFIG=run/relative.toml"}, cwd: "/srv"}, at("srv/data")},
		{"relative flag", process{args: []string{"buildkitd", "--root", "data", "--config", "run/none.toml"}, cwd: "/srv"}, at("srv/data")},
		{"flag before file", process{args: []string{"buildkitd", "--root=/var/lib/buildkit", "--config", "run/absolute.toml"}, cwd: "/srv"}, at("var/lib/buildkit")},
		{"the last flag", process{args: []string{"buildkitd", "--root=/srv", "--root", "/srv/data"}, cwd: "/"}, at("srv/data")},
		{"the usual file", process{args: []string{"buildkitd"}, cwd: "/"}, at("srv/data")},
		{"a file without root", process{args: []string{"buildkitd", "--config", "run/none.toml"}, cwd: "/srv"}, at("var/lib/buildkit")},
		{"no file", process{args: []string{"buildkitd", "--config", "run/missing.toml"}, cwd: "/srv"}, at("var/lib/buildkit")},
		{"a symbolic link of the container", process{args: []string{"buildkitd", "--root", "/link"}, cwd: "/"}, at("srv/data")},
		{"a user's", process{args: []string{"buildkitd"}, env: user, cwd: "/", userNS: true}, at("home/u/.local/share/buildkit")},
		{"a user's, configured", process{args: []string{"buildkitd"}, env: append(user, "XDG_CONFIG_HOME=/xdg/config"), cwd: "/", userNS: true}, at("srv/data")},
		{"a user's, elsewhere", process{args: []string{"buildkitd"}, env: append(user, "XDG_DATA_HOME=/xdg/data:/other"), cwd: "/", userNS: true}, at("xdg/data/buildkit")},
		{"root's in a user namespace", process{args: []string{"buildkitd"}, env: []string{"USER=root", "HOME=/home/u"}, cwd: "/", userNS: true}, at("srv/data")},
		{"a broken file", process{args: []string{"buildkitd", "--config", "run/broken.toml"}, cwd: "/srv"}, ""},
		{"a root that is not there", process{args: []string{"buildkitd", "--root", "/nowhere"}, cwd: "/"}, ""},
		{"a working directory that cannot be seen", process{args: []string{"buildkitd", "--config", "run/absolute.toml"}}, ""},
		{"another program", process{args: []string{"proxy", "--root", "/srv/data"}, cwd: "/"}, ""},
		{"no process", process{}, ""},
	} {
		c.p.root = machine
		if got := c.p.cacheRoot(); got != c.want {
			t.Errorf("%s: root is %q, want %q", c.name, got, c.want)
		}
	}
}

// What a process sees under the name that it has here keeps that name.
func TestSeenHere(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []process{
		{cwd: dir, root: "/"},
		{cwd: dir, root: fmt.Sprintf("/proc/%d/root", os.Getpid())},
		{cwd: dir}, // nothing is known of its root directory
	} {
		if got, err := p.seen("."); got != dir || err != nil {
			t.Errorf("%+v: seen as %q, %v", p, got, err)
		}
	}
}

// A daemon that was started with relative paths, from another directory than
// this process's, tells its root by its socket.
func TestRelativeConfig(t *testing.T) {
	t.Parallel()
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Relative: true})
	if got := localRoot(daemon.Addr()); got != daemon.Root() {
		t.Errorf("root is %q, want %q", got, daemon.Root())
	}
}

// A daemon in a mount namespace of its own is looked at through its process.
func TestOwnMounts(t *testing.T) {
	t.Parallel()
	disk := labtest.Disk(t, 64<<20)
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Mounted: disk.Path()})
	root := localRoot(daemon.Addr())
	got, err := DiskOf(root)
	if err != nil {
		t.Fatalf("root %q: %v", root, err)
	}
	if _, total, err := disk.Usage(); err != nil || got.Total != total {
		t.Errorf("the disk of %s has %d bytes, want %d, %v", root, got.Total, total, err)
	}
}
