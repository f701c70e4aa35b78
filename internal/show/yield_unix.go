//go:build linux || darwin

package show

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
)

const (
	// stopWait is how long a stop is waited for that may not come: the system stops no program
	// that nobody could let go on.
	stopWait = time.Second
	// foregroundEvery is how often it is looked whether the terminal is this program's again:
	// nobody says when a shell makes it so.
	foregroundEvery = 100 * time.Millisecond
)

// yieldTerminal leaves a terminal to the shell while the program is stopped by Ctrl-Z or runs in
// the background, until the view ends.
func yieldTerminal(terminal *os.File, t *tty, program *tea.Program) {
	goOn := make(chan os.Signal, 1)
	signal.Notify(goOn, syscall.SIGCONT)
	defer signal.Stop(goOn)
	for {
		select {
		case <-t.ended:
			return
		case <-t.suspend:
			t.give(program)
			stopAll(goOn)
		case <-goOn: // it was stopped by somebody who did not ask
			if inForeground(terminal) {
				t.keys.again()
				program.Send(backMsg{})
				continue
			}
			t.give(program)
		}
		if !t.waitForeground(terminal) {
			return
		}
		t.take(program)
	}
}

// stopAll stops this program and those that were started with it, as the terminal would have,
// until they go on.
func stopAll(goOn <-chan os.Signal) {
	_ = syscall.Kill(0, syscall.SIGTSTP)
	select {
	case <-goOn:
	case <-time.After(stopWait):
	}
}

// waitForeground waits until the terminal is this program's, or the view has ended.
func (t *tty) waitForeground(terminal *os.File) bool {
	tick := time.NewTicker(foregroundEvery)
	defer tick.Stop()
	for !inForeground(terminal) {
		select {
		case <-t.ended:
			return false
		case <-tick.C:
		}
	}
	return true
}
