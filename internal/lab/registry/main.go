// Command registry gives the quick start of the README what it needs: a registry on loopback with
// a few small base images. "start" starts it in the background and returns when the images are
// there; "stop" ends it, and what was pushed to it is gone.
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

	"github.com/gofrs/flock"

	"github.com/stoker-build/stoker/internal/lab"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 10 * time.Second
	pollInterval = 50 * time.Millisecond
)

// fruits name the base images, and are what each has in its file /fruit.
var fruits = []string{"apple", "cherry", "pear", "plum"}

func image(fruit string) lab.Image {
	return lab.Image{Name: "base/" + fruit + ":1", LayerBytes: []int64{1 << 20}, Files: map[string]string{"/fruit": fruit + "\n"}}
}

func main() {
	var s service
	flag.StringVar(&s.address, "address", "127.0.0.1:5000", "`HOST:PORT` to listen at")
	flag.StringVar(&s.dir, "dir", ".tools", "`directory` of its process id and its log")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: registry [flags] start|stop")
		flag.PrintDefaults()
	}
	flag.Parse()
	do := map[string]func() error{"start": s.start, "serve": s.serve, "stop": s.stop}[flag.Arg(0)]
	if do == nil {
		flag.Usage()
		os.Exit(2)
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// service is the registry as a process in the background. It holds a lock on the file with its
// process id for as long as it lives, so that the id in a locked file is its own.
type service struct{ address, dir string }

func (s service) pidFile() string { return filepath.Join(s.dir, "registry.pid") }
func (s service) logFile() string { return filepath.Join(s.dir, "registry.log") }

// start starts the process and waits until it says that it is ready.
func (s service) start() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	if pid, address, _ := s.running(); pid != 0 {
		if address != s.address {
			return fmt.Errorf("a registry is at %s already: end that first, with `make registry-stop`", address)
		}
		s.describe()
		return nil
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-address", s.address, "-dir", s.dir, "serve")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the end of the terminal is not its own
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := s.awaitReady(cmd); err != nil {
		return err
	}
	s.describe()
	return nil
}

func (s service) describe() {
	fmt.Printf("A registry is at %s until `make registry-stop`, with these base images:\n", s.address)
	for _, fruit := range fruits {
		fmt.Printf("  %s/%s\n", s.address, image(fruit).Name)
	}
}

func (s service) awaitReady(cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timeout := time.After(startTimeout)
	for {
		select {
		case exit := <-ended:
			text, _ := os.ReadFile(s.logFile())
			return fmt.Errorf("it did not start (%w): %s\nWhere another program has that address: make registry ADDRESS=127.0.0.1:5050", exit, strings.TrimSpace(string(text)))
		case <-timeout:
			return fmt.Errorf("it is not ready after %s; its log is %s", startTimeout, s.logFile())
		case <-time.After(pollInterval):
			if pid, _, _ := s.running(); pid == cmd.Process.Pid {
				return nil
			}
		}
	}
}

// running returns the process id of the registry that runs, and its address; 0 where none does, or is
// not ready.
func (s service) running() (pid int, address string, err error) {
	lock := flock.New(s.pidFile())
	free, err := lock.TryLock()
	if err != nil || free {
		return 0, "", errors.Join(err, lock.Close())
	}
	text, err := os.ReadFile(s.pidFile())
	if err != nil {
		return 0, "", err
	}
	_, _ = fmt.Sscan(string(text), &pid, &address) // neither is there before it is ready
	return pid, address, nil
}

// serve is the process: a registry with the images, until a signal.
func (s service) serve() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lock := flock.New(s.pidFile())
	if free, err := lock.TryLock(); err != nil || !free {
		return errors.Join(err, errors.New("another one runs"))
	}
	defer lock.Close()
	if err := os.Truncate(s.pidFile(), 0); err != nil {
		return err
	}
	registry, err := lab.StartRegistry(ctx, lab.RegistryOptions{Addr: s.address, InMemory: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	for _, fruit := range fruits {
		if _, err := lab.MakeImage(ctx, registry.Host(), image(fruit)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.pidFile(), fmt.Appendf(nil, "%d %s\n", os.Getpid(), s.address), 0o644); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// stop ends the process and waits for its end.
func (s service) stop() error {
	pid, _, err := s.running()
	if errors.Is(err, os.ErrNotExist) || err == nil && pid == 0 {
		fmt.Println("No registry runs.")
		return nil
	}
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	lock := flock.New(s.pidFile())
	if _, err := lock.TryLockContext(ctx, pollInterval); err != nil {
		return fmt.Errorf("process %d does not end: %w", pid, err)
	}
	fmt.Println("The registry has ended.")
	return lock.Close()
}
