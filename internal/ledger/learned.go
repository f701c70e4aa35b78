package ledger

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"
)

// Learned is what earlier runs of a Dockerfile were seen to take.
type Learned struct {
	CacheBytesPerPulledByte float64 `json:"cache_bytes_per_pulled_byte"`
	OwnBytesPerJob          int64   `json:"own_bytes_per_job"`
}

func learnedPath(stateDir, dockerfile string) string {
	return filepath.Join(stateDir, "learned", dockerfile+".json")
}

// ReadLearned returns what was learned of a Dockerfile, by its hash; the zero
// value for nothing.
func ReadLearned(stateDir, dockerfile string) Learned {
	var l Learned
	if data, err := os.ReadFile(learnedPath(stateDir, dockerfile)); err != nil || json.Unmarshal(data, &l) != nil {
		return Learned{}
	}
	return l
}

// WriteLearned keeps what was learned of a Dockerfile for later runs.
func WriteLearned(stateDir, dockerfile string, l Learned) error {
	path := learnedPath(stateDir, dockerfile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return maybe.WriteFile(path, data, 0o600)
}
