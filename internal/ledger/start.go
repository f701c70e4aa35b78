package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Mode says what Start does about an earlier run in the same directory.
type Mode int

// The modes. A directory without an earlier run is the same in all of them.
const (
	// Refuse archives a finished run and fails on an unfinished one.
	Refuse Mode = iota
	// Resume goes on with the earlier run, finished or not.
	Resume
	// Fresh archives the earlier run, finished or not.
	Fresh
)

// StartOptions say how a record is begun.
type StartOptions struct {
	Now  time.Time
	Mode Mode
	Plan PlanID
	// Keep says which entries of finished jobs still hold, when a run is
	// resumed; the others' jobs count as open. It may give images their missing
	// tags, and must say so in what it returns: one that still lacks a tag does
	// not hold. Nil keeps all that lack none.
	Keep func([]Kept) []Kept
	// Version is the version of Stoker, for whoever reads the record later.
	Version string
	// ResumeCommand is for the record: the command that goes on with the run.
	ResumeCommand string
}

// Resumed is what was taken over from the earlier run; the zero value when
// nothing was.
type Resumed struct {
	// Entries are the jobs that need no build any more, one entry each.
	Entries []Entry
	// Failed and CutShort are the names of jobs at which the earlier run made attempts
	// in vain: that failed, and that it did not finish.
	Failed, CutShort []string
	// Notes are remarks for a person: what was repaired, and how the plan
	// differs from the earlier run's.
	Notes []string
}

// UnfinishedError tells that a directory holds an unfinished run.
type UnfinishedError struct {
	Dir string
	// Finished of Jobs have an entry. Jobs is 0 when the plan is not known.
	Finished, Jobs int
}

// Error implements error.
func (e *UnfinishedError) Error() string {
	done := fmt.Sprint(e.Finished)
	if e.Jobs > 0 {
		done = fmt.Sprintf("%d of %d", e.Finished, e.Jobs)
	}
	return fmt.Sprintf("output directory %s holds an unfinished run, in which %s jobs are finished: "+
		"go on with it by --resume, or archive it and start anew by --fresh", e.Dir, done)
}

// Start begins or goes on with the record of a run in a directory, which it
// makes when it is not there. The directory is locked until Close: a second run
// in it gets a *BusyError, and a directory with something else in a file's place a
// *PlaceError. What an earlier run left is treated as the mode says;
// *UnfinishedError is the refusal. An archived run is moved to a directory of
// its own below archive/, named by the time of the move.
func Start(dir string, o StartOptions) (*Ledger, Resumed, error) {
	l, resumed, err := lockAndBegin(dir, o)
	if err == nil || errors.As(err, new(*BusyError)) || errors.As(err, new(*UnfinishedError)) || errors.As(err, new(*PlaceError)) {
		return l, resumed, err
	}
	return nil, Resumed{}, fmt.Errorf("output directory %s: %w", dir, err)
}

func lockAndBegin(dir string, o StartOptions) (*Ledger, Resumed, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, Resumed{}, err
	}
	if err := checkPlaces(dir); err != nil {
		return nil, Resumed{}, err
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, Resumed{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, Resumed{}, errors.Join(err, lock.Close())
	}
	l := &Ledger{dir: dir, root: root, lock: lock}
	resumed, err := l.begin(o)
	if err != nil {
		return nil, Resumed{}, errors.Join(err, l.Close())
	}
	return l, resumed, nil
}

func (l *Ledger) begin(o StartOptions) (Resumed, error) {
	before, err := findEarlier(l.dir)
	switch {
	case err != nil:
		return Resumed{}, err
	case before == nil:
		return Resumed{}, l.afresh(o)
	case o.Mode == Resume:
		return l.resume(before, o)
	case o.Mode == Fresh || before.finished():
		if err := archive(l.dir, o.Now); err != nil {
			return Resumed{}, fmt.Errorf("archiving the earlier run: %w", err)
		}
		return Resumed{}, l.afresh(o)
	}
	unfinished := &UnfinishedError{Dir: l.dir, Finished: len(before.manifest.Entries), Jobs: len(before.run.Plan.Jobs)}
	if unfinished.Jobs > 0 {
		unfinished.Finished -= len(unplanned(before.manifest.Entries, before.run.Plan.Jobs, nil))
	}
	return Resumed{}, unfinished
}

// afresh begins a record in a directory without one.
func (l *Ledger) afresh(o StartOptions) error {
	l.run = RunRecord{StokerVersion: o.Version, StartedAt: Time{o.Now}, JobCount: len(o.Plan.Jobs), Plan: o.Plan}
	l.run.sign(o)
	if err := writeRun(l.dir, l.run); err != nil {
		return err
	}
	_, err := l.openFiles()
	return err
}

// openFiles opens the files that grow, and tells whether an event was cut off.
func (l *Ledger) openFiles() (cut bool, err error) {
	logs := filepath.Join(l.dir, LogsDir)
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return false, err
	}
	if l.logs, err = os.Lstat(logs); err != nil {
		return false, err
	}
	if l.manifest, _, err = openLines(filepath.Join(l.dir, ManifestFile)); err != nil {
		return false, err
	}
	if l.events, cut, err = openLines(filepath.Join(l.dir, EventsFile)); err != nil {
		return false, err
	}
	return cut, syncDir(l.dir)
}

// earlier is a run that was found in the directory.
type earlier struct {
	run    RunRecord
	runErr error // why run could not be read

	summarized bool
	manifest   Manifest
}

func (e *earlier) finished() bool { return e.summarized && e.run.Finished }

// findEarlier looks for an earlier run; nil for none.
func findEarlier(dir string) (*earlier, error) {
	names, err := present(dir)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	e := &earlier{}
	e.run, e.runErr = readRun(dir)
	if _, err := os.Stat(filepath.Join(dir, SummaryFile)); err == nil {
		e.summarized = true
	}
	e.manifest, err = readManifest(dir)
	return e, err
}
