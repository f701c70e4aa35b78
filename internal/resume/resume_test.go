package resume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
)

// registry has digests by tags. What is "silent" does not answer, and no tag that
// ends in "locked" can be added.
type registry struct {
	mu    sync.Mutex
	tags  map[string]string
	asked []string
}

func (r *registry) Exists(_ context.Context, tag string) (string, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, tag)
	if strings.HasPrefix(tag, "silent/") {
		return "", false, errors.New("no answer")
	}
	digest, exists := r.tags[tag]
	return digest, exists, nil
}

func (r *registry) AddTag(_ context.Context, digest, tag string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if strings.HasSuffix(tag, "locked") {
		return errors.New("denied")
	}
	r.tags[tag] = digest
	return nil
}

func kept(name, digest string, tags []string, missing ...string) ledger.Kept {
	return ledger.Kept{Entry: ledger.Entry{Name: name, Digest: digest, Tags: tags}, Missing: missing}
}

func TestStillThere(t *testing.T) {
	pushed := map[string]bool{"job": true}
	for _, tt := range []struct {
		name  string
		job   ledger.Kept
		holds string // its tags and the missing ones; empty when it does not hold
		asked int
		added string
	}{
		{"its image is there", kept("job", "d1", []string{"r/a:1", "r/a:2"}), "[r/a:1 r/a:2] []", 2, ""},
		{"one of its tags is gone", kept("job", "d1", []string{"r/a:1", "r/a:gone"}), "", 2, ""},
		{"one of its tags is another image", kept("job", "d2", []string{"r/a:1"}), "", 1, ""},
		{"nobody answers", kept("job", "d1", []string{"silent/a:1"}), "[silent/a:1] []", 1, ""},
		{"it was not pushed", kept("another", "d9", []string{"r/a:gone"}), "[r/a:gone] []", 0, ""},
		{"tags are new", kept("job", "d1", []string{"r/a:1"}, "r/a:3", "r/a:4"), "[r/a:1 r/a:3 r/a:4] []", 1, "r/a:3 r/a:4"},
		{"a new tag is in another repository", kept("job", "d1", []string{"r/a:1"}, "r/a:3", "r/b:1", "r/a:4"), "[r/a:1 r/a:3] [r/b:1 r/a:4]", 1, "r/a:3"},
		{"a new tag is denied", kept("job", "d1", []string{"r/a:1"}, "r/a:locked"), "[r/a:1] [r/a:locked]", 1, ""},
		{"it is gone, and tags are new", kept("job", "d1", []string{"r/a:gone"}, "r/a:3"), "", 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := map[string]string{"r/a:1": "d1", "r/a:2": "d1"}
			r := &registry{tags: maps.Clone(before)}
			got := ""
			for _, k := range StillThere(t.Context(), r, []ledger.Kept{tt.job}, pushed) {
				got += fmt.Sprint(k.Entry.Tags, " ", k.Missing)
			}
			if got != tt.holds || len(r.asked) != tt.asked {
				t.Errorf("holds %q after %d questions, want %q after %d", got, len(r.asked), tt.holds, tt.asked)
			}
			maps.DeleteFunc(r.tags, func(tag, _ string) bool { return before[tag] != "" })
			if added := strings.Join(slices.Sorted(maps.Keys(r.tags)), " "); added != tt.added {
				t.Errorf("added %q, want %q", added, tt.added)
			}
		})
	}
}

// Many are asked at once; what holds stays in its order.
func TestOrderStays(t *testing.T) {
	r := &registry{tags: map[string]string{}}
	var jobs []ledger.Kept
	var want []string
	pushed := map[string]bool{}
	for i := range 3 * lookups {
		name, tag := fmt.Sprint("job", i), fmt.Sprint("r/a:", i)
		pushed[name] = true
		jobs = append(jobs, kept(name, "d", []string{tag}))
		if i%3 != 0 {
			r.tags[tag] = "d"
			want = append(want, name)
		}
	}
	var got []string
	for _, k := range StillThere(t.Context(), r, jobs, pushed) {
		got = append(got, k.Entry.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
