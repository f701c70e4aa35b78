package lab_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
)

const tellTime = "STOKER_LAB_TELL_TIME"

// TestTellTime is not a test but the program whose clock TestJumpClock has jump: it answers each
// line with its wall clock in seconds and the nanoseconds that passed by its monotonic one.
func TestTellTime(*testing.T) {
	if os.Getenv(tellTime) == "" {
		return
	}
	start := time.Now()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		now := time.Now()
		fmt.Println(now.Unix(), int64(now.Sub(start)))
	}
}

func TestJumpClock(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestTellTime$")
	cmd.Env = append(os.Environ(), tellTime+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(out)
	var passed int64
	// ahead is how far the process's wall clock is ahead of this one's, in whole minutes.
	ahead := func() time.Duration {
		t.Helper()
		before := passed
		fmt.Fprintln(in)
		line, err := answers.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var wall int64
		if _, err := fmt.Sscan(line, &wall, &passed); err != nil {
			t.Fatalf("answer %q: %v", line, err)
		}
		if passed < before || passed-before > int64(10*time.Minute) {
			t.Errorf("the monotonic clock went from %d to %d", before, passed)
		}
		return time.Until(time.Unix(wall, 0)).Round(time.Minute)
	}
	if got := ahead(); got != 0 {
		t.Errorf("before any jump the clock is %s ahead", got)
	}
	for _, jump := range []struct{ by, ahead time.Duration }{
		{time.Hour, time.Hour},
		{-3 * time.Hour, -2 * time.Hour},
		{2 * time.Hour, 0},
	} {
		if err := lab.JumpClock(cmd.Process.Pid, jump.by); err != nil {
			t.Fatal(err)
		}
		if got := ahead(); got != jump.ahead {
			t.Errorf("after a jump by %s the clock is %s ahead, want %s", jump.by, got, jump.ahead)
		}
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, answers); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
