package annotate

import (
	"io"
	"strings"
	"sync"
)

// Guard is a writer to a log that GitHub Actions reads, of which no line is a workflow
// command, whatever is quoted in it. GitHub's runner takes a line for one that begins with
// "::" behind blanks, and any that has "##[" in it: each gets a blank within.
func Guard(w io.Writer) io.Writer { return &guard{out: w, atStart: true} }

// guard is that writer. What it must know of a line so far is the same wherever a write ends.
type guard struct {
	out io.Writer

	mu sync.Mutex // guards what follows, and the order of writes
	// atStart tells that the line has had blanks alone so far, and perhaps a colon.
	atStart bool
	last    [2]byte
}

// Write implements io.Writer.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	safe := make([]byte, 0, len(p)+8)
	for _, b := range p {
		if g.wouldCommand(b) {
			safe = append(safe, ' ')
			g.atStart = false
		}
		safe = append(safe, b)
		g.note(b)
	}
	if _, err := g.out.Write(safe); err != nil {
		return 0, err
	}
	return len(p), nil
}

// wouldCommand tells that the line becomes a command with this byte.
func (g *guard) wouldCommand(b byte) bool {
	return b == '[' && g.last == [2]byte{'#', '#'} || b == ':' && g.atStart && g.last[1] == ':'
}

// note takes in what was written. A byte that is not ASCII may be of a blank.
func (g *guard) note(b byte) {
	switch {
	case b == '\n' || b == '\r':
		g.atStart, g.last = true, [2]byte{}
		return
	case b > ' ' && b < 0x7f && b != ':', g.last[1] == ':':
		g.atStart = false
	}
	g.last = [2]byte{g.last[1], b}
}

// Print writes workflow commands as they are, past a guard.
func Print(w io.Writer, commands ...string) error {
	if len(commands) == 0 {
		return nil
	}
	if g, guarded := w.(*guard); guarded {
		g.mu.Lock()
		defer g.mu.Unlock()
		w = g.out
	}
	_, err := io.WriteString(w, strings.Join(commands, "\n")+"\n")
	return err
}
