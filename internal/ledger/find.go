package ledger

import (
	"os"
	"path/filepath"
)

// Find returns the directories of the runs in one: itself, or where it has no run those
// right below it, by their names. With archived, the runs are among them that are below
// an archive/ of these. The error is a *NoRunError where there is none.
func Find(dir string, archived bool) ([]string, error) {
	dirs, err := runsOf(dir, archived)
	if err != nil || len(dirs) > 0 {
		return dirs, err
	}
	below, err := directories(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range below {
		runs, err := runsOf(d, archived)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, runs...)
	}
	if len(dirs) == 0 {
		return nil, noRun(dir)
	}
	return dirs, nil
}

// runsOf returns a directory that has a run, and its archived ones.
func runsOf(dir string, archived bool) (dirs []string, err error) {
	if hasRun(dir) {
		dirs = append(dirs, dir)
	}
	archive := filepath.Join(dir, ArchiveDir)
	if !archived || !exists(archive) {
		return dirs, nil
	}
	below, err := directories(archive)
	if err != nil {
		return nil, err
	}
	for _, d := range below {
		if hasRun(d) {
			dirs = append(dirs, d)
		}
	}
	return dirs, nil
}

func hasRun(dir string) bool { return exists(filepath.Join(dir, RunFile)) }

// directories returns those right below one, by their names; links are followed.
func directories(dir string) (dirs []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			dirs = append(dirs, path)
		}
	}
	return dirs, err
}
