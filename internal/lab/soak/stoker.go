package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stoker-build/stoker/internal/process"
)

// endTimeout is how long stoker may take to end after it was asked to, before it is killed.
const endTimeout = 30 * time.Second

// stoker is one process of the program under test.
type stoker struct{ *process.Child }

// startStoker starts a run, or goes on with one. Its output is added to the log.
func startStoker(program string, p *parts, more ...string) (*stoker, error) {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, arguments(p, more)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = environment(p)
	started, err := process.Start(cmd)
	return &stoker{started}, err
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
		"--stall-timeout", stallTimeout.String(),
		"--recover-interval", "5s",
		"--output-dir", p.output(),
		"--state-dir", p.state(),
	}
	for _, n := range p.nodes {
		args = append(args, "--builder", n.Addr())
	}
	if len(p.nodes) == 0 {
		args = append(args, "--buildkitd", p.tools.Buildkitd)
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

// kill ends stoker as the out-of-memory killer would. It is an error when stoker has ended already.
func (s *stoker) kill() error {
	if err := s.Kill(); err != nil {
		return fmt.Errorf("kill stoker: %w", err)
	}
	if status, ok := s.State().Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("stoker ended before it was killed: %s", s.State())
	}
	return nil
}

// end asks stoker to end by a signal, and kills it when it does not. One that has ended is left alone.
func (s *stoker) end(by syscall.Signal) error {
	if err := s.Signal(by); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-s.Ended():
		return nil
	case <-time.After(endTimeout):
		return s.Kill()
	}
}
