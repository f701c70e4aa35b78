package plan

import (
	"slices"

	"github.com/stoker-build/stoker/internal/imageref"
)

// Proved says that steps of a job's Dockerfile were linked, for which base images that was
// proved to make the same image, and which job makes it without.
type Proved struct {
	Images []string // by their digests
	Plain  *Job
	// Written has by what the builder calls these steps now what the Dockerfile has.
	Written map[string]string
}

// AsWritten returns a step as the Dockerfile has it, by what the builder calls it; the same
// where it was not linked.
func (p *Proved) AsWritten(called string) string {
	if p != nil && p.Written[called] != "" {
		return p.Written[called]
	}
	return called
}

// Holds tells whether a job's build makes the same image as without links, by the images that
// it reads: a tag may stand for another one by now.
func (p *Proved) Holds(images []string) bool {
	if p == nil {
		return true
	}
	names := map[string]bool{}
	for _, image := range p.Images {
		names[imageref.WithoutDigest(image)] = true
	}
	met := false
	for _, image := range images {
		if !names[imageref.WithoutDigest(image)] {
			continue
		}
		if !slices.Contains(p.Images, image) {
			return false
		}
		met = true
	}
	return met
}
