package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// PlaceError tells that something stands where a run would write its record, or reads
// it, that is neither a file nor a directory of a run's own.
type PlaceError struct {
	Path string
	Is   string // what stands there, such as "a symbolic link"
	Want string // what may: "a file" or "a directory"
}

// Error implements error.
func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s is %s, where a run has %s of its own: move it away, or name another output directory", e.Path, e.Is, e.Want)
}

// checkPlaces makes sure that a run can write into a directory without writing
// elsewhere, and without waiting for whoever reads from a pipe. The directory itself
// may be a link.
func checkPlaces(dir string) error {
	for _, name := range slices.Concat(runFiles, []string{LockFile}) {
		if err := checkPlace(dir, name); err != nil {
			return err
		}
	}
	return nil
}

// checkPlace makes sure that one of them is what it should be, or not there.
func checkPlace(dir, name string) error {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case name == LogsDir && !info.IsDir():
		return &PlaceError{path, whatIs(info.Mode()), "a directory"}
	case name != LogsDir && !info.Mode().IsRegular():
		return &PlaceError{path, whatIs(info.Mode()), "a file"}
	}
	return nil
}

func whatIs(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode.IsRegular():
		return "a file"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// checkFile makes sure that a path leads to a file, which nobody waits for who opens it.
func checkFile(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &PlaceError{path, whatIs(info.Mode()), "a file"}
	}
	return err
}

// open opens a file of a record for reading.
func open(path string) (*os.File, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// readFile reads a file of a record as a whole.
func readFile(path string) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// OpenEvents opens the events of the run in a directory; there may be none.
func OpenEvents(dir string) (io.ReadCloser, error) {
	f, err := open(filepath.Join(dir, EventsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return f, err
}
