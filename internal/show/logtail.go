package show

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/stoker-build/stoker/internal/visible"
)

// tailBytes is how much of a log's end can be looked at.
const tailBytes = 256 << 10

// logTail is the end of a log, as it was read last. Its lines are clean.
type logTail struct {
	path  string
	size  int64
	lines []string
	err   string // why it cannot be read
}

// again reads the end of a log, if it is another or has grown.
func (t logTail) again(path string) logTail {
	if path == "" {
		return logTail{}
	}
	f, err := os.Open(path)
	if err != nil {
		return logTail{path: path, err: reason(err.Error())}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || path == t.path && info.Size() == t.size {
		return t
	}
	from := max(info.Size()-tailBytes, 0)
	data := make([]byte, info.Size()-from)
	n, err := f.ReadAt(data, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return logTail{path: path, err: reason(err.Error())}
	}
	text := strings.TrimSuffix(string(data[:n]), "\n")
	if from > 0 { // where the first line begins is not seen
		_, text, _ = strings.Cut(text, "\n")
	}
	next := logTail{path: path, size: info.Size()}
	for line := range strings.SplitSeq(text, "\n") {
		next.lines = append(next.lines, visible.Line(line))
	}
	return next
}
