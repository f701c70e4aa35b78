package lab

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
)

// Build is one image to build with buildctl, as a known-good way beside Stoker's own.
type Build struct {
	// Dir is the build context, where the Dockerfile is.
	Dir string
	// Dockerfile is the Dockerfile's name; empty stands for the usual one.
	Dockerfile string
	// Target is the stage to build; empty: the last one.
	Target string
	// Platform is what to build for ("linux/arm64"); empty: the daemon's own.
	Platform string
	// Args are the build arguments.
	Args map[string]string
	// Push is the reference to push to; empty: the result stays in the builder's cache.
	Push string
}

// Build builds an image on the daemon. The error has buildctl's output.
func (d *Buildkitd) Build(ctx context.Context, b Build) error {
	args := []string{
		"build", "--progress=plain", "--frontend=dockerfile.v0",
		"--local=context=" + b.Dir, "--local=dockerfile=" + b.Dir,
	}
	opts := map[string]string{"filename": b.Dockerfile, "target": b.Target, "platform": b.Platform}
	maps.DeleteFunc(opts, func(_, value string) bool { return value == "" })
	for key, value := range b.Args {
		opts["build-arg:"+key] = value
	}
	for _, key := range slices.Sorted(maps.Keys(opts)) {
		args = append(args, "--opt="+key+"="+opts[key])
	}
	if b.Push != "" {
		args = append(args, "--output=type=image,push=true,name="+b.Push)
	}
	_, err := d.Buildctl(ctx, args...)
	return err
}

// Buildctl runs buildctl against the daemon and gives its output.
func (d *Buildkitd) Buildctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.tools.Buildctl, append([]string{"--addr=" + d.Addr()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("buildctl: %w\n%s", err, out)
	}
	return string(out), nil
}
