// Package ledger is what happened in a run, on disk: the manifest with a line
// for each finished job, the events, the build logs and the summary. A line is
// on the disk before the job counts as finished, and a later run can go on with
// what an earlier one left, however that ended.
package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// The files of an output directory.
const (
	ManifestFile = "manifest.jsonl"
	EventsFile   = "events.jsonl"
	SummaryFile  = "summary.json"
	MarkdownFile = "summary.md"
	RefsFile     = "refs.json"
	PageFile     = "report.html"
	TraceFile    = "trace.json"
	StepsFile    = "steps.jsonl"
	RunFile      = "run.json"
	LockFile     = "stoker.lock"
	LogsDir      = "logs"
	ArchiveDir   = "archive"
)

// Ledger is the open record of one run. Its methods may be called concurrently.
type Ledger struct {
	dir  string
	root *os.Root // of dir
	lock *flock.Flock

	logs os.FileInfo // of the directory of logs when the run began

	mu       sync.Mutex
	manifest *lines
	events   *lines
	entries  []Entry
	run      RunRecord

	steps stepLog
}

// Dir is the output directory.
func (l *Ledger) Dir() string { return l.dir }

// Add puts an entry into the manifest and returns once it is on the disk. When
// it fails, the manifest is as it was, and the entry may be added again.
func (l *Ledger) Add(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if len(line) >= maxLine {
		return fmt.Errorf("the entry of %s: %w", e.Name, errTooLong)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.manifest.add(line, true); err != nil {
		return err
	}
	l.entries = append(l.entries, e)
	return nil
}

// Entries returns the entries so far, those of a resumed run included, in the
// order in which the jobs finished.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry(nil), l.entries...)
}

// Event adds a line to events.jsonl.
func (l *Ledger) Event(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events.add(line, false)
}

// logName is where the log of a job's attempt belongs, in the output directory.
func logName(job string, attempt int) string {
	return filepath.Join(LogsDir, job, fmt.Sprintf("attempt-%d.log", attempt))
}

// nextAttempt returns the number of the first attempt at a job after those that have a
// log already: 1, unless an earlier run was resumed.
func nextAttempt(root *os.Root, job string) int {
	logs, err := fs.ReadDir(root.FS(), path.Join(LogsDir, job))
	if err != nil {
		return 1 // what is in the way will show when the log is made
	}
	last := 0
	for _, log := range logs {
		number, isLog := strings.CutPrefix(strings.TrimSuffix(log.Name(), ".log"), "attempt-")
		if n, err := strconv.Atoi(number); isLog && err == nil {
			last = max(last, n)
		}
	}
	return last + 1
}

// CreateLog opens the log of a job's attempt for writing. When that attempt has
// a log already, it stays as it is and the next free number is used. No link is followed
// out of the directory, whenever it was put there.
func (l *Ledger) CreateLog(job string, attempt int) (*os.File, error) {
	if err := l.manifest.inPlace(); err != nil {
		return nil, err // a new directory of that name is not this run's
	}
	if err := checkPlace(l.dir, LogsDir); err != nil {
		return nil, err
	}
	if err := l.root.MkdirAll(filepath.Join(LogsDir, job), 0o755); err != nil {
		return nil, err
	}
	for {
		log, err := l.root.OpenFile(logName(job, attempt), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
		if !errors.Is(err, fs.ErrExist) {
			return log, err
		}
		attempt = max(attempt+1, nextAttempt(l.root, job))
	}
}

// LogsInPlace tells when the logs are not where the manifest says that they are, unless
// all of the record was taken away.
func (l *Ledger) LogsInPlace() error {
	if l.manifest.inPlace() != nil {
		return nil // which is said by whatever is written
	}
	path := filepath.Join(l.dir, LogsDir)
	now, err := os.Lstat(path)
	switch {
	case err == nil && os.SameFile(now, l.logs):
		return nil
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s was removed, moved or replaced during the run: logs are missing where the manifest says that they are", path)
	}
	return err
}

// ResumeBy says anew by which command the run is gone on with; Finish puts that on the
// disk.
func (l *Ledger) ResumeBy(command string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run.ResumeCommand = command
}

// Finish writes summary.json and refs.json, each replaced as a whole, and
// returns the summary with the tails of the failed jobs' logs filled in. The run
// counts as finished from then on, unless jobs are left that a later run can go
// on with.
func (l *Ledger) Finish(s Summary) (Summary, error) {
	if err := l.manifest.inPlace(); err != nil {
		return s, err
	}
	for i := range s.FailedBuilds {
		s.FailedBuilds[i].LogTail = Tail(l.dir, s.FailedBuilds[i].LogPath, tailLines)
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return s, err
	}
	refs, err := EncodeRefs(refsOf(l.Entries()))
	if err != nil {
		return s, err
	}
	err = errors.Join(
		replaceFile(filepath.Join(l.dir, SummaryFile), append(data, '\n')),
		replaceFile(filepath.Join(l.dir, RefsFile), refs),
	)
	if err != nil {
		return s, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run.Finished = s.Unfinished <= 0 || len(l.entries) == 0
	l.run.FinishedAt = s.FinishedAt
	return s, writeRun(l.dir, l.run)
}

// Show writes report.html, replaced as a whole.
func (l *Ledger) Show(page []byte) error { return replaceFile(filepath.Join(l.dir, PageFile), page) }

// Tell writes summary.md, replaced as a whole.
func (l *Ledger) Tell(markdown string) error {
	if err := l.manifest.inPlace(); err != nil {
		return err
	}
	return replaceFile(filepath.Join(l.dir, MarkdownFile), []byte(markdown))
}

// WriteTrace has trace.json written, replaced as a whole.
func (l *Ledger) WriteTrace(write func(io.Writer) error) error {
	return replaceFileBy(filepath.Join(l.dir, TraceFile), write)
}

// Close closes the files and gives the directory free.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.manifest.close(), l.events.close(), l.root.Close(), l.lock.Close())
}
