package ledger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2/maybe"
)

// Learned is what earlier runs of a Dockerfile were seen to take.
type Learned struct {
	CacheBytesPerPulledByte float64 `json:"cache_bytes_per_pulled_byte"`
	OwnBytesPerJob          int64   `json:"own_bytes_per_job"`
	Pace
}

// Pace is how long jobs take.
type Pace struct {
	// SecondsPerJob is what a job takes that finds what it needs in the cache: three of
	// four take longer. 0 is not known.
	SecondsPerJob float64 `json:"seconds_per_job"`
	// PullBytesPerSecond is how many compressed bytes are pulled in a second of waiting
	// for them, by the time that jobs took besides; 0 is not known.
	PullBytesPerSecond float64 `json:"pull_bytes_per_second"`
}

// worthPulling is how many bytes tell how fast a node pulls. Of fewer the time goes
// elsewhere.
const worthPulling = 100_000_000

// PaceOf returns the pace of jobs by their entries, for which so many bytes were pulled; nil where
// that is not known.
func PaceOf(entries []Entry, pulled *int64) (p Pace) {
	var took []float64
	for _, e := range entries {
		if e.Status == Built && (e.StepCount == 0 || e.CachedStepCount < e.StepCount) { // of the others nothing was made
			took = append(took, e.BuildSeconds)
		}
	}
	if len(took) == 0 {
		return p
	}
	slices.Sort(took)
	p.SecondsPerJob = took[len(took)/4]
	var besides float64
	for _, t := range took {
		besides += max(t-p.SecondsPerJob, 0)
	}
	if besides > 0 && pulled != nil && *pulled >= worthPulling {
		p.PullBytesPerSecond = float64(*pulled) / besides
	}
	return p
}

// ReadLearned returns what was learned of a Dockerfile, by its hash; the zero
// value for nothing.
func ReadLearned(stateDir, dockerfile string) Learned {
	l, _ := readLearned[Learned](stateDir, dockerfile)
	return l
}

// WriteLearned keeps what was learned of a Dockerfile for later runs.
func WriteLearned(stateDir, dockerfile string, l Learned) error {
	return writeLearned(stateDir, dockerfile, l)
}

func learnedPath(stateDir, name string) string {
	return filepath.Join(stateDir, "learned", name+".json")
}

// readLearned reads what was kept by a name, and tells whether there is something.
func readLearned[T any](stateDir, name string) (T, bool) {
	var l, none T
	if data, err := os.ReadFile(learnedPath(stateDir, name)); err != nil || json.Unmarshal(data, &l) != nil {
		return none, false
	}
	return l, true
}

// writeLearned keeps something by a name.
func writeLearned(stateDir, name string, l any) error {
	path := learnedPath(stateDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return maybe.WriteFile(path, data, 0o600)
}
