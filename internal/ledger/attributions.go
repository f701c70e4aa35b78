package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
)

// Attributions keeps, in a directory, which vertices made the records of each
// daemon, so that a later run knows its own records from those of others. It has
// a file for each daemon: a line "made VERTEX NANOSECONDS" for each vertex that
// was made, as it is made, and "record ID VERTEX" for each record that was found
// to be a vertex's, when a run ends.
type Attributions struct{ Dir string }

// Moments that are older than this belong to records that were found long ago,
// or are gone.
const momentsKept = 7 * 24 * time.Hour

// Open returns what is known of a daemon's records. What the memory is told from
// then on is kept as it comes; close keeps what it has found out.
func (a Attributions) Open(daemon string) (*cache.Memory, func() error, error) {
	path := filepath.Join(a.Dir, strings.ReplaceAll(daemon, string(filepath.Separator), "-"))
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return nil, nil, err
	}
	known, made, err := readAttributions(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	log := &momentLog{file: f}
	memory := cache.NewMemory(known, made, log.add)
	return memory, func() error {
		return errors.Join(log.close(), writeAttributions(path, memory))
	}, nil
}

// momentLog appends moments to a file. mu guards it all.
type momentLog struct {
	mu     sync.Mutex
	file   *os.File
	closed bool
	err    error
}

func (l *momentLog) add(m cache.Moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.err != nil {
		return
	}
	_, l.err = fmt.Fprintf(l.file, "made %s %d\n", m.Vertex, m.At.UnixNano())
}

func (l *momentLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return errors.Join(l.err, l.file.Close())
}

// readAttributions reads a file. A line that makes no sense, such as the last one
// of a killed run, is left out.
func readAttributions(path string) (map[string]graph.ID, []cache.Moment, error) {
	known := map[string]graph.ID{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var made []cache.Moment
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) != 3 {
			continue
		}
		switch words[0] {
		case "record":
			if id, err := graph.ParseID(words[2]); err == nil {
				known[words[1]] = id
			}
		case "made":
			id, err := graph.ParseID(words[1])
			nanos, err2 := strconv.ParseInt(words[2], 10, 64)
			if err == nil && err2 == nil {
				made = append(made, cache.Moment{Vertex: id, At: time.Unix(0, nanos)})
			}
		}
	}
	return known, made, lines.Err()
}

// writeAttributions puts a memory in place of a file.
func writeAttributions(path string, m *cache.Memory) error {
	var b strings.Builder
	for id, v := range m.Known() {
		fmt.Fprintf(&b, "record %s %s\n", id, v)
	}
	for _, moment := range m.Moments() {
		if time.Since(moment.At) < momentsKept {
			fmt.Fprintf(&b, "made %s %d\n", moment.Vertex, moment.At.UnixNano())
		}
	}
	return renameio.WriteFile(path, []byte(b.String()), 0o600)
}
