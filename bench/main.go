// Command bench measures Stoker beside other ways to do the same job, on real daemons, a real
// registry and real small disks of its own, all gone afterwards. It must run as root.
//
//	go run ./bench -stoker bin/stoker -out bench/out [-only overhead,latency,peers] [-quick] [-full]
//
// For each benchmark it prints a table and writes NAME.md, NAME.json and NAME.svg.
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
	"strconv"
	"strings"
	"syscall"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

// benchmarks are all there are, in the order in which they run.
var benchmarks = []struct {
	name string
	run  func(context.Context, *bench) (report.Report, error)
}{
	{"overhead", overhead},
	{"latency", latency},
	{"peers", peers},
	{"disk", diskUse},
	{"shuffled", shuffled},
	{"syntax", syntax},
	{"tasks", tasks},
	{"nodes", nodes},
	{"assembly", assembly},
	{"pipeline", pipeline},
	{"graphs", graphs},
	{"large", large},
	{"compression", compression},
	{"viewers", viewers},
	{"view", view},
}

// bench is what all benchmarks work with.
type bench struct {
	stoker   string // path of the binary
	buildctl string
	out      string
	work     string // directory for inputs and logs
	quick    bool
	full     bool
	// Of the benchmark assembly: how large base images are, how many images are made of them, and
	// how many by ways that would take too long for all.
	baseMB, images, part int
	workers              []int
	machine              report.Machine
}

func main() {
	if seconds, err := strconv.Atoi(os.Getenv(viewEnv)); err == nil {
		if err := showMadeUp(seconds); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	b, only, err := parse(args)
	if err != nil {
		return err
	}
	if err := b.findPrograms(); err != nil {
		return err
	}
	if b.work == "" {
		if b.work, err = os.MkdirTemp("", "stoker-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	}
	if b.machine, err = machine(ctx, b.stoker); err != nil {
		return err
	}
	var errs []error
	for _, one := range benchmarks {
		if !slices.Contains(only, one.name) || ctx.Err() != nil {
			continue
		}
		r, err := one.run(ctx, b)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", one.name, err))
			continue
		}
		r.Name, r.Machine = one.name, b.machine
		errs = append(errs, b.show(r))
	}
	return errors.Join(errs...)
}

// show writes a report and prints what people look for first.
func (b *bench) show(r report.Report) error {
	fmt.Printf("%s\n\n%s\n", r.Title, r.Table())
	for _, note := range r.Notes {
		fmt.Printf("- %s\n", note)
	}
	fmt.Println()
	return r.Write(b.out)
}

func parse(args []string) (b *bench, only []string, err error) {
	b = &bench{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.stoker, "stoker", "bin/stoker", "the stoker `binary`")
	flags.StringVar(&b.out, "out", "bench/out", "`directory` for tables, charts and JSON")
	flags.StringVar(&b.work, "work", "", "`directory` for inputs and logs, outside of git work trees (default a temporary one that is removed)")
	flags.BoolVar(&b.quick, "quick", false, "less of everything, for a first look")
	flags.BoolVar(&b.full, "full", false, "layers of the tasks that are four times as large, which takes tens of minutes and 40 GB of disk")
	flags.IntVar(&b.baseMB, "base-mb", 60, "how large the base images of the benchmark assembly are, in `MB`")
	flags.IntVar(&b.images, "images", 40, "how many `images` the benchmark assembly makes")
	flags.IntVar(&b.part, "part", 40, "how many of these the ways make that do not link; their times are multiplied, which the table says")
	names := flags.String("only", strings.Join(allNames(), ","), "the `benchmarks` to run, separated by commas")
	counts := flags.String("workers", "2,4,8", "the `numbers` of workers that the benchmarks shuffled and tasks compare")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	if flags.NArg() > 0 {
		return nil, nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if b.images < 1 || b.part < 1 || b.baseMB < 1 {
		return nil, nil, errors.New("-images, -part and -base-mb must be 1 or more")
	}
	only = strings.Split(*names, ",")
	for _, name := range only {
		if !slices.Contains(allNames(), name) {
			return nil, nil, fmt.Errorf("-only: there is no benchmark %q, only %s", name, strings.Join(allNames(), ", "))
		}
	}
	for text := range strings.SplitSeq(*counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, nil, fmt.Errorf("-workers: %q is not a number of workers", text)
		}
		b.workers = append(b.workers, n)
	}
	return b, only, nil
}

func allNames() []string {
	var names []string
	for _, one := range benchmarks {
		names = append(names, one.name)
	}
	return names
}

func (b *bench) findPrograms() error {
	path, err := exec.LookPath(b.stoker)
	if err != nil {
		return fmt.Errorf("no stoker binary: %w: run `make build` first", err)
	}
	if b.stoker, err = filepath.Abs(path); err != nil {
		return err
	}
	tools, err := lab.FindTools()
	b.buildctl = tools.Buildctl
	return err
}

// dir makes an empty directory for one run.
func (b *bench) dir(parts ...string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(append([]string{b.work}, parts...)...))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// say tells a person who waits how far things are.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
