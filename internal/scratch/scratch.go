// Package scratch makes temporary directories that do not stay: what a process
// that was killed leaves, the next one removes.
package scratch

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Dir is a temporary directory of this process.
type Dir struct {
	// Path is the directory's.
	Path string
	lock *flock.Flock
}

// lockFile is what tells that a directory is in use: its lock is held for as long
// as the process lives.
const lockFile = ".stoker-scratch"

// New makes a directory, and removes those that are in nobody's use any more.
// What cannot be removed stays.
func New(kind string) (*Dir, error) {
	removeLeft()
	// It gets its name when it is locked: until then nobody takes it for one that
	// was left. On Windows a directory with an open file cannot be renamed, and an
	// open file not be removed.
	hide := "."
	if runtime.GOOS == "windows" {
		hide = ""
	}
	hidden, err := os.MkdirTemp("", hide+"stoker-"+kind+"-")
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(hidden, lockFile))
	path := filepath.Join(filepath.Dir(hidden), strings.TrimPrefix(filepath.Base(hidden), hide))
	if _, err := lock.TryLock(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(hidden))
	}
	if hidden != path {
		if err := os.Rename(hidden, path); err != nil {
			return nil, errors.Join(err, lock.Close(), os.RemoveAll(hidden))
		}
	}
	return &Dir{Path: path, lock: lock}, nil
}

// Close removes the directory with what is in it.
func (d *Dir) Close() error {
	return errors.Join(d.lock.Close(), os.RemoveAll(d.Path))
}

// removeLeft removes directories whose processes have ended.
func removeLeft() {
	removeOld()
	for _, dir := range Left() {
		_ = os.RemoveAll(dir)
	}
}

// Left are the directories whose processes have ended, which the next New removes.
func Left() (dirs []string) {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), "stoker-*", lockFile)) // the pattern is right
	for _, path := range locks {
		if !held(path) {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}

// old is the age from which a directory without a lock is nobody's any more: no run
// takes that long, nor does any process to give its directory a name.
const old = 7 * 24 * time.Hour

// removeOld removes directories that no lock tells of: of processes that ended before
// they had named them, and of versions that did not lock them.
func removeOld() {
	for _, pattern := range []string{".stoker-*-*", "stoker-dockerfile-*"} {
		dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), pattern)) // the patterns are right
		for _, dir := range dirs {
			info, err := os.Lstat(dir)
			if err == nil && info.IsDir() && time.Since(info.ModTime()) > old && !held(filepath.Join(dir, lockFile)) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

// held tells whether a process holds a lock.
func held(path string) bool {
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryLock()
	_ = lock.Close() // an open file cannot be removed on Windows
	return err != nil || !free
}
