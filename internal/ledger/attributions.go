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
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
)

// Attributions keeps, in a directory, which vertices made the records of each
// daemon, so that a later run knows its own records from those of others. It has
// a file for each daemon, to which runs append as they learn: a line "made VERTEX
// BEGAN DONE" for each vertex that is being made (DONE is 0 then) and for each that
// was, with times in nanoseconds since 1970, and "record ID VERTEX" for each record
// that was found to be a vertex's. The last to use a daemon shortens it.
type Attributions struct{ Dir string }

// Makings that are older than this were those of records that were found long ago,
// or are gone.
const makingsKept = 24 * time.Hour

// Open returns what is known of a daemon's records. What the memory learns from
// then on is kept as it comes.
func (a Attributions) Open(daemon string) (*cache.Memory, func() error, error) {
	path := a.path(daemon)
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return nil, nil, err
	}
	log := &attributionLog{path: path, lock: flock.New(path + ".lock")}
	if err := log.lock.RLock(); err != nil {
		return nil, nil, err
	}
	known, made, err := readAttributions(path)
	if err == nil {
		log.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return nil, nil, errors.Join(err, log.lock.Unlock())
	}
	log.memory = cache.NewMemory(known, made, log)
	return log.memory, log.close, nil
}

// Read returns what is known of a daemon's records, and keeps nothing that is learned. Of a
// daemon that has no name nothing is known.
func (a Attributions) Read(daemon string) (*cache.Memory, error) {
	if daemon == "" {
		return cache.NewMemory(nil, nil, nil), nil
	}
	known, made, err := readAttributions(a.path(daemon))
	if err != nil {
		return nil, err
	}
	return cache.NewMemory(known, made, nil), nil
}

func (a Attributions) path(daemon string) string {
	return filepath.Join(a.Dir, strings.ReplaceAll(daemon, string(filepath.Separator), "-"))
}

// attributionLog appends to a file. It implements the memory's keeper, which calls
// it from one goroutine at a time.
type attributionLog struct {
	path   string
	lock   *flock.Flock // shared by all processes that append
	file   *os.File
	memory *cache.Memory
	err    error
}

// Made implements cache.Keeper.
func (l *attributionLog) Made(m cache.Making) { l.append("%s", madeLine(m)) }

func madeLine(m cache.Making) string {
	done := int64(0)
	if !m.Done.IsZero() {
		done = m.Done.UnixNano()
	}
	return fmt.Sprintf("made %s %d %d\n", m.Vertex, m.Began.UnixNano(), done)
}

// Found implements cache.Keeper.
func (l *attributionLog) Found(record string, v graph.ID) { l.append("record %s %s\n", record, v) }

func (l *attributionLog) append(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.file, format, args...)
	}
}

// close ends the log. Where nobody else appends to it, what is of no more use is
// left out.
func (l *attributionLog) close() error {
	err := errors.Join(l.err, l.file.Close(), l.lock.Unlock())
	if alone, lockErr := l.lock.TryLock(); lockErr != nil || !alone {
		return err
	}
	return errors.Join(err, l.shorten(), l.lock.Unlock())
}

// shorten writes the file anew: records that this process knows to be there, and
// makings that are not old.
func (l *attributionLog) shorten() error {
	var b strings.Builder
	for id, v := range l.memory.Known() {
		fmt.Fprintf(&b, "record %s %s\n", id, v)
	}
	for _, m := range l.memory.Makings() {
		if time.Since(m.Began) < makingsKept || time.Since(m.Done) < makingsKept {
			b.WriteString(madeLine(m))
		}
	}
	return maybe.WriteFile(l.path, []byte(b.String()), 0o600)
}

// readAttributions reads a file. A line that makes no sense, such as the last one
// of a killed run, is left out.
func readAttributions(path string) (map[string]graph.ID, []cache.Making, error) {
	known := map[string]graph.ID{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var made []cache.Making
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		switch words := strings.Fields(lines.Text()); {
		case len(words) == 3 && words[0] == "record":
			if id, err := graph.ParseID(words[2]); err == nil {
				known[words[1]] = id
			}
		case len(words) == 4 && words[0] == "made":
			id, err := graph.ParseID(words[1])
			began, err2 := strconv.ParseInt(words[2], 10, 64)
			done, err3 := strconv.ParseInt(words[3], 10, 64)
			if errors.Join(err, err2, err3) == nil {
				m := cache.Making{Vertex: id, Began: time.Unix(0, began)}
				if done != 0 {
					m.Done = time.Unix(0, done)
				}
				made = append(made, m)
			}
		}
	}
	return known, made, lines.Err()
}
