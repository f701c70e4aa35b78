package trace

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"github.com/stoker-build/stoker/internal/visible"
)

// The phases of events, as the format calls their kinds.
const (
	whole    = "X"
	moment   = "i"
	begins   = "b"
	ends     = "e"
	counter  = "C"
	metadata = "M"
)

// event is one entry of the file; times are microseconds since 1970.
type event struct {
	Name string `json:"name"`
	Cat  string `json:"cat,omitempty"`
	Ph   string `json:"ph"`
	TS   int64  `json:"ts,omitzero"`
	Dur  *int64 `json:"dur,omitempty"` // of those that are whole
	thread
	ID    string         `json:"id,omitempty"`
	Scope string         `json:"s,omitempty"` // of moments
	Args  map[string]any `json:"args,omitempty"`
}

// complete is something with a beginning and an end.
func complete(cat, name string, from, to time.Time, on thread, args map[string]any) event {
	return event{Name: text(name), Cat: cat, Ph: whole, TS: micros(from), Dur: new(max(0, micros(to)-micros(from))), thread: on, Args: args}
}

func micros(at time.Time) int64 { return at.UnixMicro() }

// mostRunes is how much of a text is shown.
const mostRunes = 200

// text is a text from outside as it may be shown.
func text(s string) string { return visible.Head(s, mostRunes) }

// file writes events one by one; after an error, nothing.
type file struct {
	out     *bufio.Writer
	written int64
	begun   bool
	err     error
}

func (f *file) add(s string) {
	if f.err == nil {
		_, f.err = f.out.WriteString(s)
		f.written += int64(len(s))
	}
}

func (f *file) write(e event) {
	data, err := json.Marshal(e)
	if err != nil && f.err == nil {
		f.err = err
	}
	between := ",\n"
	if !f.begun {
		between = "\n"
	}
	f.begun = true
	f.add(between + string(data))
}

// close ends the file.
func (f *file) close(notes map[string]string) error {
	data, err := json.Marshal(notes)
	if err != nil {
		return err
	}
	f.add("\n],\"otherData\":" + string(data) + "}\n")
	if f.err != nil {
		return f.err
	}
	return f.out.Flush()
}

func newFile(w io.Writer) *file {
	f := &file{out: bufio.NewWriter(w)}
	f.add(`{"displayTimeUnit":"ms","traceEvents":[`)
	return f
}
