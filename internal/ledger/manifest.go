package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/stoker-build/stoker/internal/plural"
)

const (
	// How long a line of the manifest may be, in bytes. Only an error that
	// carries a whole log comes near.
	maxLine = 4 << 20
	// How many bad lines a note is made of; the rest is counted.
	maxBadNotes = 10
)

var (
	errNoJob   = errors.New("it names no job")
	errTooLong = fmt.Errorf("it is longer than %d bytes", maxLine)
	errCutOff  = errors.New("it was cut off")
)

// Manifest is what was read of a manifest.
type Manifest struct {
	// Entries are the last ones of each job, in the order of their lines.
	Entries []Entry
	// Notes tell of lines that are left out.
	Notes []string
	// Size is how many bytes were read. All entries are within the first Good of them,
	// which can be kept when the rest is cut off, and which are so many Lines.
	Size, Good int64
	Lines      int
}

// numbered is an entry with the number of its line.
type numbered struct {
	Entry
	line int
}

// ReadManifest reads the lines of a manifest, and holds no more of it than an entry
// for each job: of several for one job the last counts. Lines that are no entry are
// passed over, as is a last line without its line feed, and notes tell of them. The
// error is the reader's own.
func ReadManifest(r io.Reader) (Manifest, error) {
	var m Manifest
	in := lineReader{bufio.NewReaderSize(r, 64<<10)}
	last := map[string]numbered{}
	good, bad := 0, 0
	for number, ended := 1, false; !ended; number++ {
		line, size, whole, err := in.next()
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return Manifest{}, err
		}
		m.Size += size
		e, problem := parseLine(line, size, whole)
		switch {
		case problem == nil && len(line) > 0:
			last[e.Name] = numbered{e, number}
			good, m.Good, m.Lines = good+1, m.Size, number
		case problem != nil:
			if bad++; bad <= maxBadNotes {
				m.Notes = append(m.Notes, fmt.Sprintf("line %d of %s is no entry and is left out: %s", number, ManifestFile, problem))
			}
		}
	}
	if bad > maxBadNotes {
		m.Notes = append(m.Notes, fmt.Sprintf("%d further lines of %s are no entries and are left out", bad-maxBadNotes, ManifestFile))
	}
	if again := good - len(last); again > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("%s has jobs more than once: their last lines count, %s left out", ManifestFile, plural.Of(again, "line")))
	}
	for _, e := range slices.SortedFunc(maps.Values(last), func(a, b numbered) int { return a.line - b.line }) {
		m.Entries = append(m.Entries, e.Entry)
	}
	return m, nil
}

// readManifest reads the manifest in a directory; an empty one where there is none.
func readManifest(dir string) (Manifest, error) {
	f, err := open(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, nil
	}
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	return ReadManifest(f)
}

// parseLine reads one line, of which size bytes were there.
func parseLine(line []byte, size int64, whole bool) (Entry, error) {
	var e Entry
	switch {
	case size > maxLine:
		return e, errTooLong
	case len(line) == 0:
		return e, nil
	case !whole:
		return e, errCutOff
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	if e.Name == "" {
		return e, errNoJob
	}
	return e, nil
}

// lineReader reads lines and holds no more than maxLine bytes of each.
type lineReader struct{ *bufio.Reader }

// next returns a line without the space around it, the size that it had with
// its line feed, and whether it had one.
func (r lineReader) next() (line []byte, size int64, whole bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		size += int64(len(part))
		if size <= maxLine {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSpace(line), size, err == nil, err
	}
}
