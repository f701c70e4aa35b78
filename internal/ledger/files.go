package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/google/renameio/v2/maybe"
)

// lines is a file that grows by whole lines: a line that could not be written
// leaves nothing behind.
type lines struct {
	path string
	file *os.File
	info os.FileInfo // of the open file
	end  int64       // of the last whole line
	torn bool        // there may be a part of a line after it
}

// openLines opens a file of lines, or makes it. What follows its last line feed
// is cut off.
func openLines(path string) (l *lines, cut bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, false, err
	}
	l = &lines{path: path, file: f}
	if l.info, err = f.Stat(); err == nil {
		l.end, err = lastLineEnd(f, l.info.Size())
	}
	if err == nil && l.end < l.info.Size() {
		cut, err = true, errors.Join(f.Truncate(l.end), f.Sync())
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return l, cut, nil
}

// lastLineEnd returns where the last whole line of a file ends.
func lastLineEnd(f *os.File, size int64) (int64, error) {
	chunk := make([]byte, 64<<10)
	for at := size; at > 0; {
		n := min(at, int64(len(chunk)))
		at -= n
		if _, err := f.ReadAt(chunk[:n], at); err != nil && err != io.EOF {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
	}
	return 0, nil
}

// GoneError tells that what a run wrote its record into was taken away.
type GoneError struct{ Path string }

// Error implements error.
func (e *GoneError) Error() string {
	return fmt.Sprintf("%s is no longer the file that this run writes: it or its directory was removed, moved or replaced; "+
		"start the run again, and leave the output directory alone until it ends", e.Path)
}

// inPlace makes sure that what is written will be found at the file's path.
func (l *lines) inPlace() error {
	now, err := os.Lstat(l.path)
	switch {
	case err == nil && os.SameFile(now, l.info):
		return nil
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &GoneError{Path: l.path}
	}
	return err
}

// add writes a line. With sync it returns once the line is on the disk.
func (l *lines) add(line []byte, sync bool) error {
	if err := l.inPlace(); err != nil {
		return err
	}
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

// replaceFileBy is replaceFile for what is too large to be held: it is written beside, and
// takes the name once it is whole.
func replaceFileBy(path string, write func(io.Writer) error) error {
	part := path + ".part" // that of a run that was killed is written over
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, path); err != nil {
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
