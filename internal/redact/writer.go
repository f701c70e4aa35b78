package redact

import (
	"bytes"
	"io"
	"sync"
)

// The longest line that is held back until its end. What is found by its place
// may be missed where a longer line is cut; known values are not.
const maxHeld = 1 << 20

// Writer redacts what is written through it. A line is passed on when it is
// whole, so that no secret is missed where one write ends and the next begins.
// Its methods may be called concurrently.
type Writer struct {
	r *Redactor
	w io.Writer

	mu   sync.Mutex
	held []byte
	// open is how many of the held bytes are known to have no line end.
	open int
}

// Writer returns a writer that redacts and writes to w. Close it, or call Flush,
// to have a last line without its line end written too.
func (r *Redactor) Writer(w io.Writer) *Writer { return &Writer{r: r, w: w} }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	if n := w.wholeLines(); n > 0 {
		if err := w.pass(n); err != nil {
			return len(p), err
		}
	}
	for len(w.held) > maxHeld+2*w.r.known.Load().longest {
		if err := w.pass(w.partOfLine()); err != nil {
			return len(p), err
		}
	}
	return len(p), nil
}

// Flush passes on what is held back.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.held) == 0 {
		return nil
	}
	return w.pass(len(w.held))
}

// Close passes on what is held back. It does not close what is written to.
func (w *Writer) Close() error { return w.Flush() }

// pass redacts the first bytes of what is held and writes them.
func (w *Writer) pass(n int) error {
	text := w.r.String(string(w.held[:n]))
	w.held = w.held[:copy(w.held, w.held[n:])]
	w.open = 0
	_, err := io.WriteString(w.w, text)
	return err
}

// wholeLines returns the size of the lines that can be passed on: those that are
// whole and share no known value with what follows them, or will follow.
func (w *Writer) wholeLines() int {
	known := w.r.known.Load()
	spread := known.spread
	settled := len(w.held) - max(spread-1, 0)
	if settled <= w.open {
		return 0
	}
	cut := w.open + afterLast(w.held[w.open:settled], "\n\r")
	if cut == w.open {
		w.open = settled
		return 0
	}
	for cut > 0 && spread > 0 {
		from, to := max(cut-spread, 0), min(cut+spread, len(w.held))
		start := straddles(known.find(string(w.held[from:to]), nil), cut-from).start
		if start < 0 {
			break
		}
		cut = afterLast(w.held[:from+start], "\n\r")
	}
	return cut
}

// partOfLine returns how much of a line that is too long can be passed on: as
// far as a space, if there is one, and with the whole of a known value.
func (w *Writer) partOfLine() int {
	k := w.r.known.Load()
	settled := len(w.held) - max(k.longest-1, 0)
	cut := afterLast(w.held[:settled], " \t")
	if cut == 0 {
		cut = settled
	}
	if spans := k.find(string(w.held), nil); len(spans) > 0 {
		cut = max(cut, straddles(merge(spans), cut).end)
	}
	return cut
}

// afterLast returns the index after the last of some bytes; 0 for none.
func afterLast(text []byte, chars string) int { return bytes.LastIndexAny(text, chars) + 1 }

// straddles returns the first span that a cut would part; one before the text
// for none.
func straddles(spans []span, cut int) span {
	for _, p := range spans {
		if p.start < cut && cut < p.end {
			return p
		}
	}
	return span{-1, -1}
}
