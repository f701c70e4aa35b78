package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/buildkit/util/disk"
)

// Record is what a run has left in a directory, or is writing there now.
type Record struct {
	Dir string
	Run RunRecord
	// Entries are the finished jobs of the plan, with the paths that their logs have
	// now. The manifest has those, too, that are no longer planned.
	Entries []Entry
	// Notes tell of lines of the manifest that are left out, or that there is none.
	Notes []string
	// Summary is nil while there is none: the run goes on, or was killed.
	Summary *Summary
	// Writing tells that a process holds the directory.
	Writing bool
	// Here tells that it was this machine's, or that nobody knows whose: no other can write.
	Here bool
	// DiskFull tells that nothing can be added to the record now.
	DiskFull bool
}

// leastFree is how many bytes of a disk a run needs to tell how it has ended.
const leastFree = 64 << 10

// NoRunError tells that a directory holds no run.
type NoRunError struct {
	Dir string
	// Gone says that there is no such directory.
	Gone bool
}

// noRun says that there is no run in a directory.
func noRun(dir string) *NoRunError { return &NoRunError{Dir: dir, Gone: !exists(dir)} }

// Error implements error.
func (e *NoRunError) Error() string {
	if e.Gone {
		return fmt.Sprintf("there is no run in %s (there is no such directory)", e.Dir)
	}
	return fmt.Sprintf("there is no run in %s (it has no %s)", e.Dir, RunFile)
}

// Look reads the record in a directory and disturbs no run that writes there. The
// error is a *NoRunError where there is none.
func Look(dir string) (Record, error) {
	r := Record{Dir: dir}
	var err error
	if r.Writing, err = Held(dir); err != nil {
		return r, err
	}
	if r.Run, err = readRun(dir); errors.Is(err, fs.ErrNotExist) {
		return r, noRun(dir)
	} else if err != nil {
		return r, err
	}
	host, _ := os.Hostname()
	r.Here = r.Run.Host == "" || r.Run.Host == host
	if st, err := disk.GetDiskStat(dir); err == nil {
		r.DiskFull = st.Available < leastFree
	}
	planned := inPlan(r.Run.Plan.Jobs, nil)
	manifest, err := readManifest(dir)
	if err != nil {
		return r, err
	}
	r.Notes = manifest.Notes
	r.Entries = slices.DeleteFunc(manifest.Entries, func(e Entry) bool { return !planned(e) })
	for i, e := range r.Entries {
		if e.LogPath != nil {
			path := logIn(dir, *e.LogPath)
			r.Entries[i].LogPath = &path
		}
	}
	r.Summary, err = readSummary(dir)
	if err == nil && !r.Writing && !exists(filepath.Join(dir, ManifestFile)) {
		r.Notes = append(r.Notes, r.Summary.withoutManifest())
	}
	return r, err
}

// withoutManifest says that there is no manifest, and what is known all the same.
func (s *Summary) withoutManifest() string {
	text := ManifestFile + " is missing, so that none of the jobs that ended is told of"
	if s != nil {
		text += fmt.Sprintf("; by %s there were %d built, %d skipped and %d failed", SummaryFile, s.Built, s.Skipped, s.Failed)
	}
	return text
}

// Kept are the entries of jobs that had been finished before the run was last gone on with.
func (r Record) Kept() (kept []Entry) {
	if len(r.Run.ResumedAt) == 0 {
		return nil
	}
	for _, e := range r.Entries {
		if (e.Status == Built || e.Status == Skipped) && e.Time.Before(r.Run.LastStart().Time) {
			kept = append(kept, e)
		}
	}
	return kept
}

// KeptCount is how many jobs were kept, by how they had ended.
type KeptCount struct {
	Built   int `json:"built"`
	Skipped int `json:"skipped"`
}

// Jobs is how many there are.
func (k KeptCount) Jobs() int { return k.Built + k.Skipped }

// KeptCount counts the jobs that were kept.
func (r Record) KeptCount() (k KeptCount) {
	for _, e := range r.Kept() {
		if e.Status == Built {
			k.Built++
		} else {
			k.Skipped++
		}
	}
	return k
}

func readSummary(dir string) (*Summary, error) {
	data, err := readFile(filepath.Join(dir, SummaryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s Summary
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", SummaryFile, err)
	}
	return &s, nil
}

// logIn returns where a log is that was written as path: the directory may have
// been moved since, or named from elsewhere.
func logIn(dir, path string) string {
	if _, below := logTail(path); below != "" {
		if now := filepath.Join(dir, below); exists(now) {
			return now
		}
	}
	return path
}

// logTail cuts the path of a log into the directory of its run and the rest:
// logs/JOB/attempt-N.log. The rest is empty where it is no such path.
func logTail(path string) (dir, below string) {
	job := filepath.Dir(path)
	logs := filepath.Dir(job)
	if filepath.Base(logs) != LogsDir {
		return path, ""
	}
	dir = filepath.Dir(logs)
	return dir, filepath.Join(LogsDir, filepath.Base(job), filepath.Base(path))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
