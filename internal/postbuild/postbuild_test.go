//go:build unix

package postbuild

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a directory in which commands run, by its path, and named pipes in it by
// which they and the test wait for each other.
func place(t *testing.T, pipes ...string) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	for _, p := range pipes {
		if err := syscall.Mkfifo(filepath.Join(dir, p), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []string{"DIR=" + dir}
}

// open opens a pipe for reading, before any process writes to it: its end is then that
// all that had it open are gone.
func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// gone fails where a process still holds a pipe open.
func gone(t *testing.T, pipe *os.File) {
	t.Helper()
	if err := pipe.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(pipe); err != nil {
		t.Errorf("what the command has started still runs: %v", err)
	}
}

func quiet() {}

func TestOutputAndEnvironment(t *testing.T) {
	t.Setenv("FROM_OUTSIDE", "outside")
	var out bytes.Buffer
	var signs atomic.Int32
	err := Command{Line: `echo "$FROM_OUTSIDE $GIVEN"; echo wrong >&2`}.Run(t.Context(), []string{"GIVEN=given"}, &out, func() { signs.Add(1) })
	if err != nil || out.String() != "outside given\nwrong\n" {
		t.Errorf("printed %q, error %v", out.String(), err)
	}
	if signs.Load() == 0 {
		t.Error("it printed, and gave no sign of life")
	}
}

func TestFailureEndsWhatWasStarted(t *testing.T) {
	dir, env := place(t, "held")
	held := open(t, filepath.Join(dir, "held"))
	var out bytes.Buffer
	err := Command{Line: `exec 3> "$DIR/held"; sleep 1000 > /dev/null & echo so; exit 3`}.Run(t.Context(), env, &out, quiet)
	if err == nil || !strings.Contains(err.Error(), "--post-build command failed: exit status 3") {
		t.Errorf("error %v", err)
	}
	if out.String() != "so\n" {
		t.Errorf("printed %q", out.String())
	}
	gone(t, held)
}

// A child that outlives the shell by moments is listened to.
func TestOutputAfterTheShell(t *testing.T) {
	var out bytes.Buffer
	line := `(while kill -0 $$; do sleep 0.01; done 2> /dev/null; echo after) &`
	if err := (Command{Line: line, grace: time.Minute}).Run(t.Context(), nil, &out, quiet); err != nil || out.String() != "after\n" {
		t.Errorf("printed %q, error %v", out.String(), err)
	}
}

// A child that stays keeps nobody waiting, and is not harmed by that.
func TestChildLivesOn(t *testing.T) {
	dir, env := place(t, "go", "result")
	result := open(t, filepath.Join(dir, "result"))
	var out bytes.Buffer
	line := `exec 3> "$DIR/result"; (read word < "$DIR/go"; echo late; echo late; echo "$word" >&3) &`
	if err := (Command{Line: line, grace: time.Millisecond}).Run(t.Context(), env, &out, quiet); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("alive\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := result.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(result); string(said) != "alive\n" {
		t.Errorf("the child wrote %q (%v)", said, err)
	}
	if out.Len() > 0 {
		t.Errorf("written after the command was over: %q", out.String())
	}
}

// enough is a log that ends a command once it has printed a word.
type enough struct {
	bytes.Buffer
	word string
	end  func()
}

func (e *enough) Write(p []byte) (int, error) {
	if strings.Contains(string(p), e.word) {
		e.end()
	}
	return e.Buffer.Write(p)
}

func TestEnded(t *testing.T) {
	for _, tt := range []struct{ name, line, out string }{
		{"it may end in order", `trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done`, "ready\nbye\n"},
		{"its children too", `(trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.01; done) & wait`, "ready\nbye\n"},
		{"it is stopped", `sleep 1000 & echo ready; kill -STOP $$`, "ready\n"},
		{"it ignores that it is asked", `trap '' TERM; sleep 1000 & echo ready; wait`, "ready\n"},
		{"a child ignores it", `(trap '' TERM; echo ready; exec sleep 1000) & wait`, "ready\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, env := place(t, "held")
			held := open(t, filepath.Join(dir, "held"))
			ctx, cancel := context.WithCancelCause(t.Context())
			cause := errors.New("the reason")
			out := &enough{word: "ready", end: func() { cancel(cause) }}
			patience := 100 * time.Millisecond
			if strings.Contains(tt.out, "bye") {
				patience = time.Minute
			}
			err := Command{Line: `exec 3> "$DIR/held"; ` + tt.line, patience: patience}.Run(ctx, env, out, quiet)
			if !errors.Is(err, cause) {
				t.Errorf("error %v, want its cause", err)
			}
			// The shell says so of a command of its that was ended.
			if got := strings.ReplaceAll(out.String(), "Terminated\n", ""); got != tt.out {
				t.Errorf("printed %q, want %q", got, tt.out)
			}
			gone(t, held)
		})
	}
}

func TestEndedBefore(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the reason")
	cancel(cause)
	var out bytes.Buffer
	if err := (Command{Line: "echo no"}).Run(ctx, nil, &out, quiet); !errors.Is(err, cause) || out.Len() > 0 {
		t.Errorf("printed %q, error %v", out.String(), err)
	}
}
