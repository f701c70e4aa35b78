package process

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start starts a shell script and returns the first line that it prints.
func start(t *testing.T, script string) (*Child, string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = w
	p, err := Start(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return p, strings.TrimSpace(line)
}

// However a program ends, what it started ends with it.
func TestGroupEnds(t *testing.T) {
	const child = "sleep 1000 & echo $!; "
	const long = time.Hour
	for name, tt := range map[string]struct {
		script string
		end    func(*Child) error
		state  string
	}{
		"by itself": {child + "exit 3", func(*Child) error { return nil }, "exit status 3"},
		"as asked":  {"trap 'exit 0' TERM; " + child + "wait", func(p *Child) error { return p.Stop(long) }, "exit status 0"},
		"as asked while stopped": {"trap 'exit 0' TERM; " + child + "wait", func(p *Child) error {
			return errors.Join(p.Signal(syscall.SIGSTOP), p.Stop(long))
		}, "exit status 0"},
		"asked and unwilling":     {"trap '' TERM; " + child + "wait", func(p *Child) error { return p.Stop(time.Millisecond) }, "signal: killed"},
		"by a kill":               {child + "wait", (*Child).Kill, "signal: killed"},
		"by somebody else's kill": {child + "wait", func(p *Child) error { return unix.Kill(p.Pid(), unix.SIGKILL) }, "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			p, line := start(t, tt.script)
			childEnds := watch(t, line)
			if err := tt.end(p); err != nil {
				t.Fatal(err)
			}
			<-p.Ended()
			if got := p.State().String(); got != tt.state {
				t.Errorf("it ended with %q, want %q", got, tt.state)
			}
			childEnds()
			if err := errors.Join(p.Stop(long), p.Kill()); err != nil {
				t.Errorf("once more: %v", err)
			}
			if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("a signal to it: %v", err)
			}
		})
	}
}

// watch returns a function that waits for the end of a process, which still runs.
func watch(t *testing.T, pid string) (ends func()) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		defer unix.Close(fd)
		// It can be read from when its process has ended.
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000); err != nil || n == 0 {
			t.Errorf("process %s still runs (%v)", pid, err)
		}
	}
}

func TestNoSuchProgram(t *testing.T) {
	if _, err := Start(exec.Command("/no/such/program")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// A program ends with this process, also where that is killed: the test's own
// program is the one in between.
func TestEndsWithItsParent(t *testing.T) {
	if os.Getenv("STOKER_TEST_PARENT") != "" {
		cmd := exec.Command("sh", "-c", "echo $$; exec sleep 1000")
		cmd.Stdout = os.Stdout
		if _, err := Start(cmd); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, line := start(t, "STOKER_TEST_PARENT=1 exec "+self+" -test.run=^TestEndsWithItsParent$")
	childEnds := watch(t, line)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	childEnds()
}
