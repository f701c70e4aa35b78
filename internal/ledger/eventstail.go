package ledger

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// mostEvents is how many bytes of events are read at once; no line is as long.
const mostEvents = 2 * maxLine

// EventsTail reads the events in a directory as they grow.
type EventsTail struct {
	dir  string
	file os.FileInfo // of what was read; nil before
	read int64
}

// TailEvents reads the events in a directory from the first on.
func TailEvents(dir string) *EventsTail { return &EventsTail{dir: dir} }

// Next returns lines that were added since the last call: none where there are none, and
// no line before it is whole. Replaced tells that what was read before is not there any more:
// another run's events have taken its place.
func (t *EventsTail) Next() (lines []byte, replaced bool, err error) {
	f, err := open(filepath.Join(t.dir, EventsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, t.file != nil, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if t.file != nil && (!os.SameFile(t.file, info) || info.Size() < t.read) {
		return nil, true, nil
	}
	t.file = info
	part, err := io.ReadAll(io.NewSectionReader(f, t.read, min(info.Size()-t.read, mostEvents)))
	if err != nil {
		return nil, false, err
	}
	whole := bytes.LastIndexByte(part, '\n') + 1
	if whole == 0 && len(part) == mostEvents {
		whole = len(part) // it is no event
	}
	t.read += int64(whole)
	return part[:whole], false, nil
}
