package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/cli"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// What archives have beside the program is of every command, and of nobody's
// machine.
func TestPages(t *testing.T) {
	home := "/home/somebody"
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", home+"/state")
	t.Setenv("DOCKER_DEFAULT_PLATFORM", "linux/s390x")
	dir := t.TempDir()
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	files := []string{"completions/stoker.bash", "completions/_stoker", "completions/stoker.fish", "man/stoker.1"}
	for _, c := range cli.Command().Commands() {
		if c.IsAvailableCommand() {
			files = append(files, "man/stoker-"+c.Name()+".1")
		}
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), "stoker") {
			t.Errorf("%s: %.100q (%v)", name, text, err)
		}
		if strings.Contains(string(text), home) || strings.Contains(string(text), "s390x") {
			t.Errorf("%s has what is this machine's", name)
		}
	}
}

// The image has the BuildKit that the tests run against.
func TestImagesBuildKit(t *testing.T) {
	version := func(file, pattern string) string {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s names no version of BuildKit", file)
		}
		return string(m[1])
	}
	image := version("Dockerfile", `moby/buildkit:(v[\d.]+)-rootless`)
	if tools := version("tools/go.mod", `github.com/moby/buildkit (v[\d.]+)`); image != tools {
		t.Errorf("the Dockerfile has BuildKit %s, tools/go.mod %s", image, tools)
	}
}
