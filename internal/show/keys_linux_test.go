package show

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Keys come one by one from a terminal that this program has in its foreground, and its modes
// are back afterwards. Another terminal is left alone. The test runs itself on a terminal.
func TestKeysOfATerminal(t *testing.T) {
	if os.Getenv("STOKER_TEST_KEYS") != "" {
		tellKeys(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKeysOfATerminal$", "-test.v")
	cmd.Env = append(os.Environ(), "STOKER_TEST_KEYS=1", "TERM=xterm")
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if takeKeys(slave) != nil || takeKeys(nil) != nil {
		t.Error("keys are taken from a terminal that is not this program's own")
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	_ = slave.Close()
	if _, err := master.WriteString("j\x1b[A\r/é"); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := read.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func tellKeys(t *testing.T) {
	k := takeKeys(os.Stdin)
	if k == nil {
		t.Fatal("no keys are taken")
	}
	got := make(chan string, 20)
	go k.tell(func(key string) { got <- key })
	for _, want := range []string{"j", "up", "enter", "/", "é"} {
		select {
		case key := <-got:
			if key != want {
				t.Errorf("%q, want %q", key, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no %q", want)
		}
	}
	if m := modesOf(t); m.Lflag&(unix.ICANON|unix.ECHO) != 0 || m.Lflag&unix.ISIG == 0 {
		t.Errorf("while keys are taken the modes are %x", m.Lflag)
	}
	GiveBack()
	if m := modesOf(t); m.Lflag&unix.ICANON == 0 || m.Lflag&unix.ECHO == 0 {
		t.Errorf("afterwards the modes are %x", m.Lflag)
	}
	k.giveBack() // a second time does nothing
}

func modesOf(t *testing.T) *unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), getModes)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
