package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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

// ReadManifest reads the lines of a manifest, one entry for each job: of several
// for one job the last counts. Lines that are no entry are passed over, as is a
// last line without its line feed, and notes tell of them. All entries are
// within the first goodBytes of the input, which can be kept when the rest is
// cut off. The error is the reader's own.
func ReadManifest(r io.Reader) (entries []Entry, notes []string, goodBytes int64, err error) {
	in := lineReader{bufio.NewReaderSize(r, 64<<10)}
	var offset int64
	bad := 0
	for number := 1; ; number++ {
		line, size, whole, err := in.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, 0, err
		}
		offset += size
		e, problem := parseLine(line, size, whole)
		switch {
		case problem == nil && len(line) > 0:
			entries, goodBytes = append(entries, e), offset
		case problem != nil:
			if bad++; bad <= maxBadNotes {
				notes = append(notes, fmt.Sprintf("line %d of %s is no entry and is left out: %s", number, ManifestFile, problem))
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
	}
	if bad > maxBadNotes {
		notes = append(notes, fmt.Sprintf("%d further lines of %s are no entries and are left out", bad-maxBadNotes, ManifestFile))
	}
	last := lastOfEach(entries)
	if again := len(entries) - len(last); again > 0 {
		notes = append(notes, fmt.Sprintf("%s has jobs more than once: their last lines count, %s left out", ManifestFile, plural.Of(again, "line")))
	}
	return last, notes, goodBytes, nil
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

// lastOfEach returns the last entry of each job, in the order of the entries.
func lastOfEach(entries []Entry) []Entry {
	last := map[string]int{}
	for i, e := range entries {
		last[e.Name] = i
	}
	var kept []Entry
	for i, e := range entries {
		if last[e.Name] == i {
			kept = append(kept, e)
		}
	}
	return kept
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
