package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// The image that buildx runs for builders of the docker-container kind.
const (
	buildkitRepo = "moby/buildkit"
	buildkitTag  = "buildx-stable-1"
)

// MakeBuildKit pushes docker.io's moby/buildkit:buildx-stable-1, made of the lab's own binaries, to
// a registry that stands for docker.io. It must run where runc and busybox-static are installed.
func MakeBuildKit(ctx context.Context, host string) error {
	m, err := newMaker(host, Shape{})
	if err != nil {
		return err
	}
	entries, err := buildkitEntries(ctx)
	if err != nil {
		return err
	}
	l, err := m.layer("buildkit", entries)
	if err != nil {
		return err
	}
	config := shellConfig()
	config.Entrypoint, config.Cmd = []string{"buildkitd"}, nil
	config.Volumes = map[string]struct{}{"/var/lib/buildkit": {}}
	image, err := imageOf(machine(), config, l)
	if err != nil {
		return err
	}
	return m.pusher.Push(ctx, m.registry.Repo(buildkitRepo).Tag(buildkitTag), image)
}

// buildkitEntries are a small operating system with buildkitd, buildctl, runc and the libraries
// that these need.
func buildkitEntries(ctx context.Context) ([]entry, error) {
	tools, err := FindTools()
	if err != nil {
		return nil, err
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return nil, err
	}
	entries, err := osEntries(0)
	if err != nil {
		return nil, err
	}
	programs := []string{tools.Buildkitd, tools.Buildctl, runc}
	for _, program := range programs {
		e, err := fileEntry("usr/bin/"+filepath.Base(program), program)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	libraries, err := librariesOf(ctx, programs...)
	if err != nil {
		return nil, err
	}
	for _, library := range libraries {
		e, err := fileEntry(library[1:], library)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func fileEntry(name, path string) (entry, error) {
	text, err := os.ReadFile(path)
	return entry{path: name, text: text, mode: 0o755}, err
}

// A line of ldd such as "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)", or, for what loads
// the others, "/lib64/ld-linux-x86-64.so.2 (0x...)".
var libraryLine = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// librariesOf returns the paths of the shared libraries of programs, each once.
func librariesOf(ctx context.Context, programs ...string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "ldd", programs...).CombinedOutput()
	// Of a program without any, ldd says so and fails.
	if err != nil && !strings.Contains(string(out), "not a dynamic executable") {
		return nil, fmt.Errorf("ldd: %w\n%s", err, out)
	}
	seen := map[string]bool{}
	var paths []string
	for _, match := range libraryLine.FindAllStringSubmatch(string(out), -1) {
		if !seen[match[1]] {
			seen[match[1]] = true
			paths = append(paths, match[1])
		}
	}
	return paths, nil
}
