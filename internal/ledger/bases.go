package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// BaseImages returns the base images of the run that wrote into a directory, or
// what its builds read where none were given, each once: those of the jobs in its
// manifest, however they ended, and those of the jobs that its events say were
// started, since a job that was cut short is in no manifest. A line that a crash cut
// off is passed over.
func BaseImages(dir string) ([]string, error) {
	finished, _, err := baseImages(filepath.Join(dir, ManifestFile))
	if err != nil {
		return nil, err
	}
	started, ahead, err := baseImages(filepath.Join(dir, EventsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var images []string
	seen := map[string]bool{"": true}
	add := func(image string) {
		if !seen[image] {
			seen[image] = true
			images = append(images, image)
		}
	}
	for _, image := range slices.Concat(finished, started) {
		add(image)
	}
	for _, image := range ahead { // which are pulled by their digests, and some for jobs that never began
		if named, _, _ := strings.Cut(image, "@"); !seen[named] {
			add(image)
		}
	}
	return images, nil
}

// baseImages reads the fields base_image and images of each line that has them: of jobs, and of
// what was pulled ahead of them.
func baseImages(path string) (images, ahead []string, err error) {
	f, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	in := lineReader{bufio.NewReaderSize(f, 64<<10)}
	for number := 1; ; number++ {
		line, size, whole, err := in.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, err
		}
		if !whole {
			return images, ahead, nil // the end, or a line that was cut off
		}
		if len(line) == 0 || size > maxLine { // a run's own summary may be that long
			continue
		}
		var head struct {
			Type      string   `json:"type"`
			BaseImage string   `json:"base_image"`
			Images    []string `json:"images"`
		}
		if err := json.Unmarshal(line, &head); err != nil {
			return nil, nil, fmt.Errorf("%s line %d: %w: it must be a JSON object as a run writes it", path, number, err)
		}
		if strings.HasPrefix(head.Type, "pull_") {
			ahead = append(ahead, head.Images...)
			continue
		}
		images = append(append(images, head.BaseImage), head.Images...)
	}
}
