package ledger

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

const (
	// How many lines of a failed job's log a summary shows.
	tailLines = 12
	// How much of the end of a log is read for them, in bytes.
	tailBytes = 16 << 10
)

// OpenLog opens a log of the run in a directory that was written as path: the directory may
// have been moved since, or named from elsewhere. Nothing outside of it is opened, and nothing
// that is no file: whoever has written the record may have named what cannot be read to an end.
func OpenLog(dir, path string) (*os.File, error) {
	_, below := logTail(path)
	if below == "" {
		return nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(below, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe is not waited for
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &PlaceError{f.Name(), whatIs(info.Mode()), "a file"}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Tail returns the last lines of a log that OpenLog opens; none if it cannot be read.
func Tail(dir, path string, n int) []string {
	f, err := OpenLog(dir, path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	data, err := io.ReadAll(io.NewSectionReader(f, max(info.Size()-tailBytes, 0), tailBytes))
	if err != nil {
		return nil
	}
	var lines []string
	for _, line := range strings.Split(string(data), "\n") {
		if strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimRight(line, "\r"))
		}
	}
	return lines[max(len(lines)-n, 0):]
}
