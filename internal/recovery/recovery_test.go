package recovery

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func counting(n *atomic.Int32) func(context.Context) error {
	return func(context.Context) error {
		n.Add(1)
		return nil
	}
}

func TestTheSameThingIsNotMendedAgainAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "lock")
	var n atomic.Int32
	for _, step := range []struct {
		thing string
		want  bool
	}{{"a", true}, {"a", false}, {"b", true}, {"", true}, {"", true}, {"b", false}} {
		// Another process would have another Turns.
		turns := &Turns{Path: path, Interval: time.Hour}
		mended, err := turns.Take(t.Context(), step.thing, counting(&n))
		if err != nil || mended != step.want {
			t.Errorf("%q: mended %v, want %v (%v)", step.thing, mended, step.want, err)
		}
	}
	if n.Load() != 4 {
		t.Errorf("mended %d times, want 4", n.Load())
	}
	soon := &Turns{Path: path}
	if mended, err := soon.Take(t.Context(), "a", counting(&n)); !mended || err != nil {
		t.Errorf("with no interval: mended %v (%v)", mended, err)
	}
}

func TestWhatFailedMayBeTriedAgain(t *testing.T) {
	turns := &Turns{Path: filepath.Join(t.TempDir(), "lock"), Interval: time.Hour}
	broken := errors.New("broken")
	for range 2 {
		if _, err := turns.Take(t.Context(), "a", func(context.Context) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	}
}

func TestRecent(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		then time.Time
		want bool
	}{
		"never":                     {time.Time{}, false},
		"just now":                  {now, true},
		"a while ago":               {now.Add(-2 * time.Minute), false},
		"by a clock that was wrong": {now.Add(time.Hour), false},
	} {
		if got := recent(tt.then, now, time.Minute); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestFilesThatMakeNoSense(t *testing.T) {
	for _, content := range []string{"", "null", "12345", "{\"a\": 1}", "{\"a\""} {
		path := filepath.Join(t.TempDir(), "lock")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		turns := &Turns{Path: path, Interval: time.Hour}
		for _, want := range []bool{true, false} {
			if mended, err := turns.Take(t.Context(), "a", func(context.Context) error { return nil }); mended != want || err != nil {
				t.Errorf("%q: mended %v, want %v (%v)", content, mended, want, err)
			}
		}
	}
}

// While another process holds the lock nothing is mended, and nobody waits for
// ever.
func TestOtherProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	other := exec.Command("flock", path, "sh", "-c", "echo held; exec sleep 1000")
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int32
	turns := &Turns{Path: path, Interval: time.Hour}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if mended, err := turns.Take(short, "a", counting(&n)); mended || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("mended %v (%v) while another process does", mended, err)
	}
	if err := syscall.Kill(-other.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	if mended, err := turns.Take(t.Context(), "a", counting(&n)); !mended || err != nil || n.Load() != 1 {
		t.Errorf("mended %v, %d times (%v) after the other process", mended, n.Load(), err)
	}
}
