package labtest

import (
	"fmt"
	"os"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/scratch"
	"github.com/stoker-build/stoker/internal/strays"
)

// tmpEnv names the environment variable that says where temporary files are made.
const tmpEnv = "TMPDIR"

// disk is where temporary files were made before they were put into memory.
var disk string

// useMemory has all temporary files of a package's tests made in memory, and with them the caches of
// its daemons: these sync to disk what nobody needs after a test, which takes a third of the tests'
// time. Whoever has set TMPDIR has the files there. What killed tests have left in memory is removed
// at the next start.
func useMemory() (remove func()) {
	disk = os.TempDir()
	memory := lab.Memory()
	if memory == "" || os.Getenv(tmpEnv) != "" {
		return func() {}
	}
	setTemp(memory)
	for _, left := range scratch.Left() {
		_ = strays.Unmount(left) // a disk that is mounted holds its memory
	}
	dir, err := scratch.New("t")
	if err != nil {
		setTemp("")
		return func() {}
	}
	setTemp(dir.Path)
	return func() {
		setTemp("")
		if err := dir.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "the tests' temporary files:", err)
		}
	}
}

func setTemp(dir string) {
	if err := os.Setenv(tmpEnv, dir); err != nil { // no name or value of ours is refused
		panic(err)
	}
}

// OnDisk is a directory on disk for the duration of a test, for one that counts on the pace of a disk.
func OnDisk(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(disk, "stoker-disk-")
	Made(t, "make a directory on disk", err)
	t.Cleanup(func() { check(t, "remove the directory on disk", os.RemoveAll(dir)) })
	return dir
}
