package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// runFiles are what a run leaves, in the order in which it is archived: while
// the last of them are there, the rest is known to belong to an earlier run.
var runFiles = []string{LogsDir, EventsFile, SummaryFile, MarkdownFile, RefsFile, PageFile, TraceFile, StepsFile, ManifestFile, RunFile}

// present returns those of the runFiles that are in a directory.
func present(dir string) ([]string, error) {
	var names []string
	for _, name := range runFiles {
		_, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case err == nil:
			names = append(names, name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return names, nil
}

// archive moves what an earlier run left out of the way.
func archive(dir string, now time.Time) error {
	names, err := present(dir)
	if err != nil {
		return err
	}
	to, err := archiveDir(dir, now)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	// The new names come first: a crash between leaves a file under both names
	// rather than under none.
	if err := errors.Join(syncDir(to), syncDir(filepath.Dir(to)), syncDir(dir)); err != nil {
		return err
	}
	// On a full disk nothing can be written, which must not keep a run from its
	// start: whoever looks for a log finds it by its place, too.
	_ = relocate(to, filepath.Join(ArchiveDir, filepath.Base(to)))
	return nil
}

// archiveDir makes a new directory below archive/.
func archiveDir(dir string, now time.Time) (string, error) {
	if err := os.MkdirAll(filepath.Join(dir, ArchiveDir), 0o755); err != nil {
		return "", err
	}
	base := filepath.Join(dir, ArchiveDir, now.UTC().Format("2006-01-02T15-04-05Z"))
	for i := 1; ; i++ {
		path := base
		if i > 1 {
			path = fmt.Sprintf("%s-%d", base, i)
		}
		err := os.Mkdir(path, 0o755)
		if !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
}
