// Command demo shows stoker at work on parts of its own: a registry with SWE-bench-shaped base
// images and the frontend that the Dockerfile's syntax line names, and a private BuildKit daemon
// that has it as its mirror of docker.io; both are gone afterwards.
// The run's results stay in the working directory (./stoker-demo).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/lab"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130

	mb = 1 << 20

	// syntax is the frontend of the Dockerfile's first line, as most Dockerfiles have one.
	syntax = "docker/dockerfile:1.7"

	// The builder's disk is small, and each image's own layers are large enough that the disk
	// could not hold those of all.
	diskBytes = 1500 * mb
	ownBytes  = 20 * mb

	checkers = 8
)

type options struct {
	stoker    string
	images    int
	instances string
	dir       string
	keep      bool
	extra     []string // further arguments of stoker build
}

func main() {
	opts := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code, err := demo(ctx, opts)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	os.Exit(code)
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.stoker, "stoker", "./bin/stoker", "the stoker `binary`")
	flag.IntVar(&o.images, "images", 60, "how many images to build")
	flag.StringVar(&o.instances, "instances", "examples/swebench-verified-instances.txt", "`file` with the instances to choose from")
	flag.StringVar(&o.dir, "dir", "stoker-demo", "working `directory`; its earlier contents are replaced")
	flag.BoolVar(&o.keep, "keep", false, "keep the registry and the builder running after the run, until interrupted")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: demo [flags] [-- flags of stoker build]")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.extra = flag.Args()
	return o
}

// demo makes the parts, runs stoker, and takes the parts down again on every way out. The code is
// that of the process.
func demo(ctx context.Context, o options) (code int, err error) {
	if _, err := exec.LookPath(o.stoker); err != nil {
		return exitUsage, fmt.Errorf("no stoker binary: %w: run `make build` first", err)
	}
	instances, err := lab.ReadInstances(o.instances)
	if err != nil {
		return exitUsage, err
	}

	registry, err := lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true})
	if err != nil {
		return exitFailed, err
	}
	defer closing(&code, &err, registry.Close)

	bases, builder, err := makeImages(ctx, registry, lab.Spread(instances, o.images))
	if err != nil {
		return failure(ctx, err)
	}
	if err := writeInputs(o.dir, bases); err != nil {
		return exitFailed, err
	}
	disk, err := lab.NewDisk(diskBytes)
	if err != nil {
		return exitFailed, err
	}
	defer closing(&code, &err, disk.Close)
	// The registry is the builder's mirror of docker.io, too, where the frontend comes from.
	daemon, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{
		Root: filepath.Join(disk.Path(), "buildkit"), Insecure: []string{registry.Host()},
		Upstreams: lab.Mirrored(registry.Host(), "docker.io"),
	})
	if err != nil {
		return failure(ctx, err)
	}
	defer closing(&code, &err, daemon.Close)
	fmt.Printf("Started a private buildkitd on a disk of 1.5 GB. The images would fill it twice over.\n")

	code, err = runStoker(ctx, o, registry.Host(), daemon.Addr(), builder.Ref)
	if err != nil || ctx.Err() != nil {
		return code, err
	}
	if err = report(ctx, o, registry, bases); err != nil {
		code = max(code, exitFailed)
	}
	if o.keep {
		awaitInterrupt(ctx, registry, daemon)
	}
	return code, err
}

// closing ends a part and lets a failure of that count.
func closing(code *int, err *error, end func() error) {
	if failed := end(); failed != nil {
		*code, *err = max(*code, exitFailed), errors.Join(*err, failed)
	}
}

// failure is how the demo ends on an error, which is of no interest when it was interrupted.
func failure(ctx context.Context, err error) (int, error) {
	if ctx.Err() != nil {
		return exitInterrupted, nil
	}
	return exitFailed, err
}

func makeImages(ctx context.Context, registry *lab.Registry, instances []string) ([]lab.Base, lab.Base, error) {
	start := time.Now()
	bases, err := lab.MakeBases(ctx, registry.Host(), lab.Shape{
		Instances: instances,
		OSBytes:   24 * mb,
		EnvBytes:  16 * mb,
		EnvLayers: 2,
		OwnBytes:  2 * mb,
		OwnFiles:  20,
	})
	if err != nil {
		return nil, lab.Base{}, err
	}
	builder, err := lab.MakeBuilder(ctx, registry.Host(), 4*mb, 0)
	if err != nil {
		return nil, lab.Base{}, err
	}
	if err := lab.PushFrontends(ctx, registry.Host()); err != nil {
		return nil, lab.Base{}, err
	}
	fmt.Printf("Made %d base images of %d projects on a registry at %s in %.1f s.\n",
		len(bases), projects(bases), registry.Host(), time.Since(start).Seconds())
	return bases, builder, nil
}

func projects(bases []lab.Base) int {
	seen := map[string]bool{}
	for _, base := range bases {
		seen[base.Project] = true
	}
	return len(seen)
}

// The places of things in the working directory.
func contextDir(dir string) string { return filepath.Join(dir, "context") }
func imagesFile(dir string) string { return filepath.Join(dir, "bases.txt") }
func outputDir(dir string) string  { return filepath.Join(dir, "out") }

// writeInputs writes what stoker is given: the Dockerfile with its context, and the list of base
// images. What an earlier demo left is of another registry, and removed.
func writeInputs(dir string, bases []lab.Base) error {
	for _, old := range []string{contextDir(dir), imagesFile(dir), outputDir(dir)} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	if _, err := lab.WriteAgent(contextDir(dir), lab.Agent{OwnCacheBytes: ownBytes, ContextBytes: 1000, Syntax: syntax}); err != nil {
		return err
	}
	var list strings.Builder
	for _, base := range bases {
		fmt.Fprintln(&list, base.Ref)
	}
	return os.WriteFile(imagesFile(dir), []byte(list.String()), 0o644)
}

// target is the reference of the image that is built on a base image.
func target(host, name string) string { return host + "/agent/" + name + ":demo" }

func runStoker(ctx context.Context, o options, host, builderAddr, builderImage string) (int, error) {
	args := []string{
		"build",
		"--images", imagesFile(o.dir),
		"-f", filepath.Join(contextDir(o.dir), "Dockerfile"),
		"-t", target(host, "{{.Name}}"),
		"--build-arg", "BUILDER_IMAGE=" + builderImage,
		"--push",
		"--workers", "4",
		"--batch-size", "15",
		"--builder", builderAddr,
		"--output-dir", outputDir(o.dir),
	}
	args = append(append(args, o.extra...), contextDir(o.dir))
	fmt.Printf("\n$ %s %s\n\n", o.stoker, strings.Join(args, " "))
	cmd := exec.Command(o.stoker, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return runChild(ctx, cmd)
}

// runChild runs a program in the terminal's foreground beside this one and gives its exit code.
// An interrupt from the terminal reaches both; only a SIGTERM is passed on.
func runChild(ctx context.Context, cmd *exec.Cmd) (int, error) {
	if ctx.Err() != nil {
		return exitInterrupted, nil
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	defer signal.Stop(terminated)
	if err := cmd.Start(); err != nil {
		return exitFailed, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-terminated:
			// A child that has just ended cannot be signalled, and need not be.
			_ = cmd.Process.Signal(sig)
		case err := <-ended:
			return exitCode(cmd, err)
		}
	}
}

// exitCode is how a program ended; one that a signal ended counts as interrupted.
func exitCode(cmd *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return exitFailed, err
	case !cmd.ProcessState.Exited():
		return exitInterrupted, nil
	default:
		return exit.ExitCode(), nil
	}
}

// report tells which images are in the registry and where the results are. It fails when images
// are missing.
func report(ctx context.Context, o options, registry *lab.Registry, bases []lab.Base) error {
	missing, err := missingImages(ctx, registry.Host(), bases)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d of %d images are in the registry.\n", len(bases)-len(missing), len(bases))
	fmt.Println("Results:")
	for _, name := range []string{"summary.md", "report.html", "manifest.jsonl", "events.jsonl", "logs"} {
		path := filepath.Join(outputDir(o.dir), name)
		if _, err := os.Stat(path); err == nil {
			fmt.Println("  " + path)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not in the registry:\n  %s", strings.Join(missing, "\n  "))
	}
	return nil
}

func missingImages(ctx context.Context, host string, bases []lab.Base) ([]string, error) {
	there := make([]bool, len(bases))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(checkers)
	for i, base := range bases {
		group.Go(func() error {
			var err error
			there[i], err = lab.Exists(ctx, target(host, base.Name))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var missing []string
	for i, base := range bases {
		if !there[i] {
			missing = append(missing, target(host, base.Name))
		}
	}
	return missing, nil
}

func awaitInterrupt(ctx context.Context, registry *lab.Registry, daemon *lab.Buildkitd) {
	fmt.Printf("\nRegistry http://%s and builder %s run until you press Ctrl-C.\n", registry.Host(), daemon.Addr())
	<-ctx.Done()
}
