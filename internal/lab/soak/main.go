// Command soak builds hundreds of images while the daemons, the registry, the disk and stoker itself fail at random
// moments: they are killed, hang, or come back without what they had. Then it checks that every image is there and
// right, that none was built twice and nothing left behind, and that nothing was removed that is needed or others'.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

type options struct {
	stoker string
	seed   uint64
	nodes  int    // 1: stoker's own daemon; more: daemons that it is given
	dir    string // for inputs, results and the log
	out    io.Writer
	sizes
}

// sizes say how much is built, and how much goes wrong meanwhile.
type sizes struct {
	images int
	times  map[kind]int // how often each thing happens
	// How long the registry is away and the disk is full, each time.
	outage, full time.Duration
	// The disk under each daemon, in bytes. It should be too small for the cache of all images that are built there.
	disk int64
}

const mb = 1 << 20

// fullSize is what the command does by default: on stoker's own daemon, and on several.
func fullSize(nodes int) sizes {
	s := sizes{
		images: 300,
		times:  map[kind]int{killDaemon: 5, hang: 2, stall: 1, freeze: 1, fullDisk: 1, killStoker: 3, outage: 2},
		outage: 10 * time.Second, full: 8 * time.Second,
		disk: 640 * mb,
	}
	if nodes > 1 {
		s.images, s.disk = 150, 256*mb
		s.times[killDaemon], s.times[emptyNode] = 3, 1
	}
	return s
}

func main() {
	o := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := soakIn(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "soak: seed %d: %v\n", o.seed, err)
		os.Exit(exitFailed)
	}
}

func parseFlags() options {
	o := options{out: os.Stdout}
	flag.StringVar(&o.stoker, "stoker", "./bin/stoker", "the stoker `binary`")
	flag.IntVar(&o.nodes, "nodes", 1, "on how many daemons to build; 1 is a private one of stoker's own")
	images := flag.Int("images", 0, fmt.Sprintf("how many images to build (default %d, on several nodes %d)", fullSize(1).images, fullSize(2).images))
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what fails when; the same seed, nodes and images make the same schedule")
	flag.Parse()
	o.sizes = fullSize(o.nodes)
	if *images != 0 {
		o.images = *images
	}
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(exitUsage)
	}
	return o
}

func (o options) check() error {
	if o.images <= margin {
		return fmt.Errorf("-images %d: there must be more than %d", o.images, margin)
	}
	if o.nodes < 1 {
		return fmt.Errorf("-nodes %d: there must be one at least", o.nodes)
	}
	if _, err := exec.LookPath(o.stoker); err != nil {
		return fmt.Errorf("no stoker binary: %w: run `make build` first", err)
	}
	return nil
}

// soakIn works in a temporary directory, which stays when something is wrong.
func soakIn(ctx context.Context, o options) error {
	var err error
	if o.dir, err = os.MkdirTemp("", "stoker-soak-"); err != nil {
		return err
	}
	if err := soak(ctx, o); err != nil {
		return errors.Join(err, fmt.Errorf("record and log are in %s", o.dir))
	}
	return os.RemoveAll(o.dir)
}

// soak makes the parts, has the images built while things go wrong, and checks what came of it.
func soak(ctx context.Context, o options) error {
	start := time.Now()
	fmt.Fprintf(o.out, "Seed %d, on %s.\n", o.seed, o.builder())
	p, err := makeParts(ctx, o)
	if err != nil {
		return err
	}
	record, err := build(ctx, o, p)
	if err == nil {
		fmt.Fprintf(o.out, "%s Built. Checking the images and the record.\n", clock(start))
		err = check(ctx, p, record)
	}
	if err != nil {
		err = errors.Join(err, p.logs())
	}
	if err := errors.Join(err, p.close()); err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%s All %d images are there and right (%s). Stoker told of %s. Seed %d.\n",
		clock(start), o.images, o.sizes, record.told(), o.seed)
	return nil
}

// builder says on what is built.
func (o options) builder() string {
	if o.nodes == 1 {
		return "stoker's own daemon"
	}
	return fmt.Sprintf("%d nodes", o.nodes)
}

// String counts what went wrong.
func (s sizes) String() string {
	var parts []string
	for _, k := range kinds {
		if n := s.times[k]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", k, n))
		}
	}
	return strings.Join(parts, "; ")
}

// clock is the time since the start, for the front of a line.
func clock(start time.Time) string {
	d := time.Since(start)
	return fmt.Sprintf("%2d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
