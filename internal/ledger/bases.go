package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// BaseImages returns the base images of the run that wrote into a directory, or
// what its builds read where none were given, each once: those of the jobs in its
// manifest, however they ended, and those of the jobs that its events say were
// started, since a job that was cut short is in no manifest. A line that a crash cut
// off is passed over.
func BaseImages(dir string) ([]string, error) {
	finished, err := baseImages(filepath.Join(dir, ManifestFile))
	if err != nil {
		return nil, err
	}
	started, err := baseImages(filepath.Join(dir, EventsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var images []string
	seen := map[string]bool{"": true}
	for _, image := range slices.Concat(finished, started) {
		if !seen[image] {
			seen[image] = true
			images = append(images, image)
		}
	}
	return images, nil
}

// baseImages reads the fields base_image and images of each line that has them.
func baseImages(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var images []string
	lines := bytes.Split(data, []byte("\n"))
	for i, line := range lines {
		if len(line) == 0 {
			continue
		}
		var head struct {
			BaseImage string   `json:"base_image"`
			Images    []string `json:"images"`
		}
		err := json.Unmarshal(line, &head)
		if cutOff := i == len(lines)-1; err != nil && !cutOff {
			return nil, fmt.Errorf("%s line %d: %w: it must be a JSON object as a run writes it", path, i+1, err)
		}
		images = append(append(images, head.BaseImage), head.Images...)
	}
	return images, nil
}
