package show

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// screen is all that was written to a terminal.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// after waits for a text behind what was there before, and returns all behind that.
func (s *screen) after(t *testing.T, before int, text string) string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if rest := s.all()[before:]; strings.Contains(rest, text) {
			return rest
		}
	}
	t.Fatalf("no %q in %q", text, s.all()[before:])
	return ""
}

// A shell gets its terminal as it was when a run is stopped by Ctrl-Z, and has it for itself while
// the run goes on in the background. The test runs itself from a shell on a terminal.
func TestCtrlZ(t *testing.T) {
	const job, prompt, show, hide = "the-job", "ready> ", "\x1b[?25h", "\x1b[?25l"
	if over := os.Getenv("STOKER_TEST_VIEW"); over != "" {
		viewUntil(t, job, over)
		return
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	over := filepath.Join(t.TempDir(), "over")
	cmd := exec.CommandContext(t.Context(), bash, "--norc", "--noprofile", "--noediting", "-i")
	cmd.Env = append(os.Environ(), "PS1="+prompt, "STOKER_TEST_VIEW="+over, "TERM=xterm")
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 30, Cols: 90}); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	seen := &screen{}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(seen, master) }) // until nobody has the terminal any more
	typed := func(keys, want string) string {
		t.Helper()
		before := len(seen.all())
		if _, err := master.WriteString(keys); err != nil {
			t.Fatal(err)
		}
		return seen.after(t, before, want)
	}

	seen.after(t, 0, prompt)
	typed(os.Args[0]+" -test.run='^TestCtrlZ$'\n", job)
	stopped := typed("\x1a", prompt)
	if strings.LastIndex(seen.all(), show) < strings.LastIndex(seen.all(), hide) {
		t.Errorf("the cursor is hidden: %q", seen.all())
	}
	if lines := strings.Split(stopped[:strings.LastIndex(stopped, prompt)], "\n"); !strings.Contains(stopped, job) || strings.Contains(lines[len(lines)-1], job) {
		t.Errorf("the prompt does not stand below the view: %q", stopped)
	}
	typed("bg\n", prompt)
	before := len(seen.all())
	time.Sleep(5 * frameEvery)
	if drawn := seen.all()[before:]; drawn != "" {
		t.Errorf("in the background it writes %q", drawn)
	}
	if again := typed("fg\n", job); !strings.Contains(again, hide) {
		t.Errorf("the cursor is not the view's again: %q", again)
	}
	typed("\x1a", prompt)
	typed("bg\n", prompt)
	before = len(seen.all())
	if err := os.WriteFile(over, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if end := seen.after(t, before, "PASS"); !strings.Contains(end, "failed "+job) || !strings.Contains(end, "stopped: 0 of 60 images") {
		t.Errorf("it ends in the background without saying how: %q", end)
	}
	typed("exit\n", "exit")
	_ = cmd.Wait() // with the status of the last command
	reading.Wait()
}

// viewUntil shows a run until there is a file.
func viewUntil(t *testing.T, job, over string) {
	j := journal.New()
	a := Attach(j, newTTY(os.Stdout, false, Options{Keys: os.Stdin}.withDefaults()))
	j.Tell(runOf(60, 3))
	j.Tell(journal.JobStarted{Job: job})
	for {
		if _, err := os.Stat(over); err == nil {
			break
		}
		time.Sleep(frameEvery)
		j.Tell(journal.StepStarted{Job: job, Step: time.Now().String()})
	}
	why := "no"
	j.Tell(journal.JobFinished{Entry: ledger.Entry{Name: job, Status: ledger.Failed, Error: &why}})
	j.Tell(journal.RunFinished{Summary: ledger.Summary{Total: 60, Failed: 1, Unfinished: 59}})
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
