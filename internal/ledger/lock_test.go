package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestSecondRunInOneDirectory(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a"))
	for _, mode := range []Mode{Refuse, Resume, Fresh} {
		var busy *BusyError
		if _, _, err := Start(dir, StartOptions{Now: start, Mode: mode}); !errors.As(err, &busy) || !strings.Contains(err.Error(), dir) {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
	finish(t, l, 1)
	begin(t, dir, Refuse, plan("a"))
}

const holdDir = "LEDGER_TEST_HOLD"

// TestHoldsADirectory is the other process of the test below.
func TestHoldsADirectory(t *testing.T) {
	dir := os.Getenv(holdDir)
	if dir == "" {
		t.Skip("runs as another test's child only")
	}
	l, _ := begin(t, dir, Refuse, plan("a", "b"))
	add(t, l, Built, "a")
	fmt.Println("\nholding")
	time.Sleep(time.Minute) // it is killed before
}

func TestKillGivesTheDirectoryFree(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestHoldsADirectory$")
	child.Env = append(os.Environ(), holdDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "holding"; {
	}
	var busy *BusyError
	if _, _, err := Start(dir, StartOptions{Now: start, Mode: Resume}); !errors.As(err, &busy) {
		t.Errorf("beside a living run: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if _, resumed := begin(t, dir, Resume, plan("a", "b")); names(resumed.Entries) != "a:built" {
		t.Errorf("resumed %q", names(resumed.Entries))
	}
}
