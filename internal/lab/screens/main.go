// Command screens makes the pictures of what stoker shows on a terminal and in a browser, for the documents. Each comes from a real run
// of the program, on a registry, base images, a disk and a BuildKit daemon of its own, all gone afterwards. It must run
// as root.
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
	"slices"
	"strings"
	"syscall"

	"github.com/stoker-build/stoker/internal/lab"
)

type options struct {
	stoker    string
	instances string
	out       string
	only      []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, parseFlags())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "screens:", err)
		os.Exit(1)
	}
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.stoker, "stoker", "bin/stoker", "the stoker `binary`")
	flag.StringVar(&o.instances, "instances", "examples/swebench-verified-instances.txt", "`file` with the instances to choose from")
	flag.StringVar(&o.out, "out", "docs/pictures", "`directory` for the pictures")
	only := flag.String("only", strings.Join(names(), ","), "the `scenes` to run, separated by commas")
	flag.Parse()
	o.only = strings.Split(*only, ",")
	return o
}

func run(ctx context.Context, o options) error {
	path, err := exec.LookPath(o.stoker)
	if err != nil {
		return fmt.Errorf("no stoker binary: %w: run `make build` first", err)
	}
	if o.stoker, err = filepath.Abs(path); err != nil {
		return err
	}
	for _, name := range o.only {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("-only: there is no scene %q, only %s", name, strings.Join(names(), ", "))
		}
	}
	instances, err := lab.ReadInstances(o.instances)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for _, s := range scenes {
		if !slices.Contains(o.only, s.name) {
			continue
		}
		fmt.Printf("%s\n", s.name)
		if err := s.play(ctx, o, instances); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// play runs a scene's commands on parts of its own and writes what came of them.
func (s scene) play(ctx context.Context, o options, instances []string) (err error) {
	p, err := makeParts(ctx, o.stoker, instances, s.work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for _, take := range s.takes {
		if err := take.record(ctx, p, o.out); err != nil {
			return fmt.Errorf("%s: %w", take.line, err)
		}
	}
	for _, page := range s.pages {
		if err := page.record(ctx, p, o.out); err != nil {
			return fmt.Errorf("%s: %w", page.line, err)
		}
	}
	return nil
}

func (t take) record(ctx context.Context, p *parts, out string) (err error) {
	screen := newTerminal(t.columns, t.rows)
	defer func() { err = errors.Join(err, screen.close()) }()
	if err := screen.run(ctx, p.command(t.line), t.line); err != nil {
		return err
	}
	for _, shot := range t.shots {
		if err := os.WriteFile(filepath.Join(out, shot.name+".svg"), shot.draw(screen), 0o644); err != nil {
			return err
		}
	}
	return nil
}
