package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// endTimeout is how long stoker may take to end after it was asked to, before it is killed.
const endTimeout = 30 * time.Second

// stoker is one process of the program under test.
type stoker struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set when done is closed
}

// startStoker starts a run, or goes on with one. Its output is added to the log.
func startStoker(program string, p *parts, more ...string) (*stoker, error) {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	s := &stoker{cmd: exec.Command(program, arguments(p, more)...), done: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.Env = environment(p)
	// An interrupt at the terminal must not reach it before the soak has seen it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go s.run(started, log)
	if err := <-started; err != nil {
		return nil, err
	}
	return s, nil
}

func arguments(p *parts, more []string) []string {
	args := []string{
		"build",
		"--images", p.list(),
		"-t", p.target("{{.Name}}"),
		"--build-arg", "BUILDER_IMAGE=" + p.builder.Ref,
		"--build-arg", fmt.Sprintf("OWN_BYTES=%d", ownBytes),
		"--push",
		"--workers", "4",
		"--retries", "8",
		"--retry-delay", "250ms",
		"--progress", "plain",
		"--buildkitd", p.tools.Buildkitd,
		"--output-dir", p.output(),
		"--state-dir", p.state(),
	}
	return append(append(args, more...), p.context())
}

// environment leaves stoker no builder to find, so that it starts its own, and none of its own variables. Temporary
// files are in the soak's directory: what is left mounted on one of them is found there.
func environment(p *parts) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasPrefix(name, "STOKER_") || strings.HasPrefix(name, "BUILDKIT_") ||
			slices.Contains([]string{"BUILDX_BUILDER", "DOCKER_CONTEXT", "GITHUB_STEP_SUMMARY"}, name)
	})
	return append(env, "DOCKER_CONFIG="+p.dockerConfig(), "DOCKER_HOST=unix:///does/not/exist/docker.sock", "TMPDIR="+p.tmp())
}

// run starts the program and waits for its end. The parent-death signal is sent when the thread that started the child
// ends, so that thread is held for as long as the child lives.
func (s *stoker) run(started chan<- error, log *os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer log.Close()
	err := s.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	s.err = s.cmd.Wait()
	close(s.done)
}

func (s *stoker) pid() int { return s.cmd.Process.Pid }

// kill ends stoker as the out-of-memory killer would. It is an error when stoker has ended already.
func (s *stoker) kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill stoker: %w", err)
	}
	<-s.done
	if status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("stoker ended before it was killed: %s", s.cmd.ProcessState)
	}
	return nil
}

// end asks stoker to end by a signal, and kills it when it does not. One that has ended is left alone.
func (s *stoker) end(by syscall.Signal) {
	if err := s.cmd.Process.Signal(by); errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-s.done:
	case <-time.After(endTimeout):
		// It may have ended just now.
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}
