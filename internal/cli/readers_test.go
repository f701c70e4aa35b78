package cli

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A reader of standard output or error that stops to read, such as "| sleep 1000",
// holds up neither the run nor its end.
func TestReaderThatStops(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 3))
	for name, mode := range map[string]struct {
		progress  string
		interrupt bool
		code      int
	}{
		"json":        {"json", false, ExitOK},
		"plain":       {"plain", false, ExitOK},
		"interrupted": {"json", true, ExitInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer read.Close()
			if _, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
				t.Fatal(err)
			}
			// Nothing more fits from the start.
			if _, err := write.Write(make([]byte, os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
			out := "out/" + name
			cmd := w.command("--progress", mode.progress, "--output-dir", w.path(out), "-t", w.registry.Host()+"/"+name+"/{{.Name}}:1")
			cmd.Stdout, cmd.Stderr = write, write
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = write.Close()
			if mode.interrupt {
				if err := w.until("the first job", name+"/manifest.jsonl", "\n", 1); err != nil {
					t.Error(err)
				}
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
			err = cmd.Wait()
			var exit *exec.ExitError
			if code := cmd.ProcessState.ExitCode(); code != mode.code || err != nil && !errors.As(err, &exit) {
				t.Errorf("exit code %d, want %d (%v)", code, mode.code, err)
			}
			if n := len(w.manifestIn(out)); !mode.interrupt && n != len(w.bases) {
				t.Errorf("%d of %d jobs are on record", n, len(w.bases))
			}
		})
	}
}
