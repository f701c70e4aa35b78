package ledger

import (
	"encoding/json"

	"github.com/stoker-build/stoker/internal/imageref"
)

// Ref tells where the image of a job is, and which one it is.
type Ref struct {
	// Image pulls exactly what was built, by its digest; empty where it is not known to be
	// in a registry.
	Image  string   `json:"image,omitempty"`
	Digest string   `json:"digest,omitempty"`
	Tags   []string `json:"tags"`
	Status Status   `json:"status"`
}

// RefOf returns what an entry tells of its job's image.
func RefOf(e Entry) Ref {
	r := Ref{Digest: e.Digest, Tags: e.Tags, Status: e.Status}
	if r.Tags == nil {
		r.Tags = []string{} // readers find lists, not nulls
	}
	if e.InRegistry() && e.Digest != "" && len(e.Tags) > 0 {
		if tag, err := imageref.Parse(e.Tags[0]); err == nil {
			r.Image = tag.Repository() + "@" + e.Digest
		}
	}
	return r
}

// EncodeRefs writes references by the names of their jobs, as refs.json has them.
func EncodeRefs(refs map[string]Ref) ([]byte, error) {
	data, err := json.MarshalIndent(refs, "", "  ")
	return append(data, '\n'), err
}

// refsOf returns the references of a run's jobs.
func refsOf(entries []Entry) map[string]Ref {
	refs := map[string]Ref{}
	for _, e := range entries {
		refs[e.Name] = RefOf(e)
	}
	return refs
}
