// Package postbuild runs the user's command after a build, and leaves nothing of it
// behind when it fails or is ended.
package postbuild

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/process"
)

const (
	// How long the output of a command that has succeeded is waited for, where what it
	// left in the background holds it open.
	defaultGrace = 2 * time.Second
	// How long what is asked to end has for that before it is killed.
	defaultPatience = 5 * time.Second
	// How long it may take until what an ended command has printed is read.
	lastWords = time.Second
)

// Command is a line for the shell.
type Command struct {
	Line string

	grace, patience time.Duration // by default those above
}

// Run runs the command, with env added to this process's environment, and writes what
// it prints to out; nothing is written after Run has returned. Each time that it prints,
// alive is called.
//
// A command has succeeded when its shell ends with 0. What it put into the background
// lives on then, and what that still prints after a short while is dropped. When the
// command fails, or ctx is done before it has ended, all that it started is ended. The
// error has ctx's cause then.
func (c Command) Run(ctx context.Context, env []string, out io.Writer, alive func()) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("--post-build command: %w", err)
	}
	output := follow(read, out, alive)
	defer output.drop()
	cmd := exec.Command("sh", "-c", c.Line)
	cmd.Env = append(os.Environ(), env...)
	// A pipe of our own, so that only the shell is waited for.
	cmd.Stdout, cmd.Stderr = write, write
	err = process.Run(ctx, cmd, orDefault(c.patience, defaultPatience))
	write.Close()
	switch {
	case err == nil:
		output.wait(ctx, orDefault(c.grace, defaultGrace))
		return nil
	case ctx.Err() != nil:
		output.wait(context.Background(), lastWords)
		return fmt.Errorf("--post-build command ended: %w", context.Cause(ctx))
	}
	output.wait(context.Background(), lastWords)
	return fmt.Errorf("--post-build command failed: %w", err)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// output is what a command prints, on its way to where it is written.
type output struct {
	alive func()
	ended chan struct{} // nobody holds it open any more

	mu sync.Mutex
	to io.Writer // nil once it is dropped
}

// follow passes on what comes out of a pipe, until nobody holds that open. It reads on
// after the output was dropped: a process that lives on must not die of a broken pipe.
func follow(from io.ReadCloser, to io.Writer, alive func()) *output {
	o := &output{alive: alive, ended: make(chan struct{}), to: to}
	go func() {
		defer close(o.ended)
		defer from.Close()
		_, _ = io.Copy(o, from)
	}()
	return o
}

// Write never fails, since the command must not notice that a log cannot be written.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.to != nil {
		o.alive()
		_, _ = o.to.Write(p)
	}
	return len(p), nil
}

// wait waits until the output has ended, for some time.
func (o *output) wait(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-o.ended:
	case <-ctx.Done():
	}
}

// drop has nothing written from now on.
func (o *output) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = nil
}
