// Package paths reads and writes the paths that a user names, whatever stands there:
// a file, a link to one, a pipe or a device.
package paths

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2/maybe"
)

// How many links that lead to what is not there are followed: as many as Linux does.
const maxLinks = 40

// Real follows the symbolic links of a path, as far as it exists. A link to what is
// not there yet leads to where that would be made.
func Real(path string) (string, error) { return follow(path, maxLinks) }

func follow(path string, links int) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	parent := filepath.Dir(path)
	if to, err := os.Readlink(path); err == nil {
		if links == 0 {
			return "", fmt.Errorf("%s: too many links", path)
		}
		if !filepath.IsAbs(to) {
			// Not joined: that would leave out a/.. where a is a link.
			to = parent + string(filepath.Separator) + to
		}
		return follow(to, links-1)
	}
	if parent == path {
		return path, nil
	}
	real, err = follow(parent, links)
	return filepath.Join(real, filepath.Base(path)), err
}

// Key is the same for all names of a file or directory: its absolute path without
// links, as far as that can be told.
func Key(path string) string {
	if dir, err := os.Getwd(); err == nil && !filepath.IsAbs(path) {
		path = dir + string(filepath.Separator) + path // not joined, as above
	}
	if real, err := Real(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// Within tells whether what has a key is a directory, which has one too, or below it.
func Within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// LeadsWithin tells whether a path leads to a directory or below it, links followed. A
// relative path begins at base. The directory must be one without links.
func LeadsWithin(dir, base, path string) (bool, error) {
	full := path
	if !filepath.IsAbs(full) {
		full = base + string(filepath.Separator) + path
	}
	// With a/.. both are looked at: the kernel follows a first when it is a link,
	// and whoever tidies the path leaves both out.
	for _, full := range []string{full, filepath.Clean(full)} {
		real, err := Real(full)
		if err != nil || !Within(dir, real) {
			return false, err
		}
	}
	return true, nil
}

// Write writes a file as a whole. A link stays, and what it leads to is written. What
// is no regular file, such as a pipe, is not replaced but written to, and the file
// that is standard output goes on.
func Write(path string, data []byte) error {
	if InPlace(path) {
		return writeTo(path, data)
	}
	real, err := Real(path)
	if err != nil {
		return err
	}
	return maybe.WriteFile(real, data, 0o644)
}

// InPlace tells whether a path is one that is written to and never replaced.
func InPlace(path string) bool {
	info, err := os.Stat(path)
	return err == nil && (!info.Mode().IsRegular() || isOpen(os.Stdout, info) || isOpen(os.Stderr, info))
}

// isOpen tells whether a stream goes to a file, such as that of /dev/stdout.
func isOpen(stream *os.File, info os.FileInfo) bool {
	open, err := stream.Stat()
	return err == nil && os.SameFile(open, info)
}

// Remove removes the file that a path leads to, if there is one. Links stay, and what
// is written in place.
func Remove(path string) error {
	if InPlace(path) {
		return nil
	}
	real, err := Real(path)
	if err == nil {
		err = os.Remove(real)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Checker returns a function that makes sure that Write can write a file, as far as
// can be told without doing it. It tries each directory once.
func Checker() func(path string) error {
	tried := map[string]error{}
	return func(path string) error {
		info, err := os.Stat(path)
		switch {
		case strings.HasSuffix(path, string(filepath.Separator)) || err == nil && info.IsDir():
			return fmt.Errorf("%q is a directory: name a file", path)
		case InPlace(path):
			return nil
		}
		real, err := Real(path)
		if err != nil {
			return err
		}
		dir := filepath.Dir(real)
		if _, known := tried[dir]; !known {
			tried[dir] = tryDir(dir)
		}
		return tried[dir]
	}
}

// tryDir makes sure that files can be made in a directory.
func tryDir(dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no directory %q to write into", dir)
	}
	probe, err := os.CreateTemp(dir, ".stoker-*")
	if err != nil {
		return fmt.Errorf("the directory %q cannot be written to: %w", dir, errors.Unwrap(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// How long a pipe may be without a reader, or with one that does not read.
const (
	pipePatience = 10 * time.Second
	pipePause    = 20 * time.Millisecond
)

// writeTo writes to a pipe, a device or the end of a file, with a bound in time.
func writeTo(path string, data []byte) error {
	deadline := time.Now().Add(pipePatience)
	f, err := openToWrite(path)
	for errors.Is(err, syscall.ENXIO) && time.Now().Before(deadline) {
		time.Sleep(pipePause)
		f, err = openToWrite(path)
	}
	if errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("nobody reads from %q", path)
	}
	if err != nil {
		return err
	}
	_ = f.SetWriteDeadline(deadline) // a device may have none, nor a need of one
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// openToWrite does not wait for a reader.
func openToWrite(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
}
