package ledger

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/renameio/v2/maybe"
)

// lines is a file that grows by whole lines: a line that could not be written
// leaves nothing behind.
type lines struct {
	file *os.File
	end  int64 // of the last whole line
	torn bool  // there may be a part of a line after it
}

// openLines opens a file of lines, or makes it. What follows its last line feed
// is cut off.
func openLines(path string) (l *lines, cut bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, false, err
	}
	size, end, err := measure(f)
	if cut = end < size; cut && err == nil {
		err = errors.Join(f.Truncate(end), f.Sync())
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return &lines{file: f, end: end}, cut, nil
}

// measure returns the size of a file and where its last whole line ends.
func measure(f *os.File) (size, end int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	size = info.Size()
	chunk := make([]byte, 64<<10)
	for at := size; at > 0; {
		n := min(at, int64(len(chunk)))
		at -= n
		if _, err := f.ReadAt(chunk[:n], at); err != nil && err != io.EOF {
			return 0, 0, err
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			return size, at + int64(i) + 1, nil
		}
	}
	return size, 0, nil
}

// add writes a line. With sync it returns once the line is on the disk.
func (l *lines) add(line []byte, sync bool) error {
	if l.torn {
		if err := l.mend(); err != nil {
			return err
		}
	}
	line = append(line[:len(line):len(line)], '\n')
	_, err := l.file.WriteAt(line, l.end)
	if err == nil && sync {
		err = l.file.Sync()
	}
	if err != nil {
		// When the mending fails too, the next line tries it again before it
		// is written.
		_ = l.mend()
		return err
	}
	l.end += int64(len(line))
	return nil
}

// mend cuts off what a failed write left.
func (l *lines) mend() error {
	l.torn = true
	if err := l.file.Truncate(l.end); err != nil {
		return err
	}
	l.torn = false
	return nil
}

// close writes all to the disk. It may be called on nil.
func (l *lines) close() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.file.Sync(), l.file.Close())
}

// replaceFile writes a file as a whole. When it returns, the new content is on
// the disk under its name.
func replaceFile(path string, data []byte) error {
	if err := maybe.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory last. Windows has no call for that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
