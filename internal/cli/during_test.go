package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// during runs do once the manifest has n lines; the returned function yields its
// error.
func (w *workbench) during(n int, do func() error) (wait func() error) {
	return w.once(fmt.Sprintf("%d images were built", n), ledger.ManifestFile, "\n", n, do)
}

// duringStep has each image built with one more step, and runs do once the n-th
// of these has begun; the returned function yields its error.
func (w *workbench) duringStep(step string, n int, do func() error) (wait func() error) {
	w.t.Helper()
	w.write("ctx/Dockerfile", agentDockerfile+step+"\n")
	return w.once(fmt.Sprintf("%q began %d times", step, n), ledger.EventsFile, step, n, do)
}

// once runs do in the background when a file of the record has a text n times.
func (w *workbench) once(what, file, text string, n int, do func() error) (wait func() error) {
	done := make(chan error, 1)
	go func() {
		err := w.until(what, file, text, n)
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return func() error { return <-done }
}

// until waits until a file of the record has a text n times. That the run has
// ended before is an error.
func (w *workbench) until(what, file, text string, n int) error {
	for {
		ended := exists(w.path("out/" + ledger.SummaryFile))
		data, _ := os.ReadFile(w.path("out/" + file))
		switch {
		case bytes.Count(data, []byte(text)) >= n:
			return nil
		case ended:
			return fmt.Errorf("the run ended before %s", what)
		case w.t.Context().Err() != nil:
			return w.t.Context().Err()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// untilEvent waits until the record has an event of a kind.
func (w *workbench) untilEvent(kind string) error {
	return w.until(kind, ledger.EventsFile, `"type":"`+kind+`"`, 1)
}

// start starts the real program; the returned function waits for its end.
func start(t *testing.T, cmd *exec.Cmd) (wait func() (code int, output string)) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (int, string) {
		if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Error(err)
		}
		return cmd.ProcessState.ExitCode(), out.String()
	}
}
