package show

import (
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// awayMsg tells whether the terminal is somebody else's for now, who must not be drawn over.
type awayMsg bool

// pause is that of a view whose terminal is somebody else's.
type pause struct {
	away bool
	held []tea.Cmd // what is to be printed above the view once it is back
}

// drawnMsg is answered with what is drawn, once all that was told before is.
type drawnMsg chan string

// give leaves the terminal to somebody else: without the view, whose last frame stays there as
// lines do, and with the cursor below these.
func (t *tty) give(program *tea.Program) {
	last := t.drawn(program)
	program.Send(awayMsg(true))
	t.drawn(program)
	_ = program.ReleaseTerminal()
	if last != "" {
		_, _ = io.WriteString(t.out, "\r"+strings.ReplaceAll(last, "\n", "\r\n")+"\r\n")
	}
	t.keys.lend()
}

// take takes the terminal again.
func (t *tty) take(program *tea.Program) {
	t.keys.again()
	_ = program.RestoreTerminal()
	program.Send(awayMsg(false))
}

// drawn asks for what is drawn; nothing once the view has ended.
func (t *tty) drawn(program *tea.Program) string {
	answer := make(drawnMsg, 1)
	program.Send(answer)
	select {
	case text := <-answer:
		return text
	case <-t.ended:
		return ""
	}
}

// leave has nothing drawn or printed from now on, or has that go on.
func (m model) leave(away bool) (model, tea.Cmd) {
	m.pause.away = away
	if away {
		return m, nil
	}
	held := m.pause.held
	m.pause.held, m.tallest = nil, 0
	return m, tea.Sequence(held...)
}
