package ledger

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
)

// found is a daemon's cache in which a vertex was made at a moment.
func found(t *testing.T, m *cache.Memory, vertex graph.ID, at time.Time) {
	t.Helper()
	needs := cache.NewNeeds([]cache.Job{{Name: "a", Graph: graph.Graph{Vertices: []graph.Vertex{
		{ID: vertex, Kind: graph.Step, Name: "RUN a", Results: []graph.Result{{Description: "RUN a"}}},
	}}}})
	m.Made(cache.Making{Vertex: vertex, Began: at.Add(-time.Second), Done: at})
	r := cache.Classify(cache.View{Needs: needs, Memory: m, Records: []cache.Record{{ID: "record", Description: "RUN a", CreatedAt: at, Size: 1}}})
	if r.Verdicts[0].State != cache.Live {
		t.Fatalf("verdict %+v", r.Verdicts[0])
	}
}

// What a run learns of a daemon's records is known to the next, also where the
// first was killed, and to that daemon's alone.
func TestAttributionsAreKept(t *testing.T) {
	for _, killed := range []bool{false, true} {
		a := Attributions{Dir: filepath.Join(t.TempDir(), "attributions")}
		m, end, err := a.Open("daemon")
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now().Round(0)
		found(t, m, graph.ID{1}, at)
		if !killed {
			if err := end(); err != nil {
				t.Fatal(err)
			}
		}
		again, endAgain, err := a.Open("daemon")
		if err != nil {
			t.Fatal(err)
		}
		if known := again.Known(); len(known) != 1 || known["record"] != (graph.ID{1}) {
			t.Errorf("killed %v: known %v", killed, known)
		}
		if made := again.Makings(); len(made) != 1 || made[0].Vertex != (graph.ID{1}) || !made[0].Done.Equal(at) || !made[0].Began.Before(at) {
			t.Errorf("killed %v: made %v, want one at %s", killed, made, at)
		}
		other, endOther, err := a.Open("another/daemon")
		if err != nil {
			t.Fatal(err)
		}
		if len(other.Known())+len(other.Makings()) > 0 {
			t.Errorf("another daemon's records are known: %v", other.Known())
		}
		for _, end := range []func() error{endAgain, endOther} {
			if err := end(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A file is shortened by the last who uses it: old makings go. Lines that make no
// sense are passed over.
func TestAttributionsAreShortened(t *testing.T) {
	a := Attributions{Dir: t.TempDir()}
	path := filepath.Join(a.Dir, "daemon")
	old := cache.Making{Vertex: graph.ID{2}, Done: time.Now().Add(-2 * makingsKept)}
	if err := os.WriteFile(path, []byte("record x "+graph.ID{3}.String()+"\nmade nonsense 3 4\nrecord short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, endFirst, err := a.Open("daemon")
	if err != nil {
		t.Fatal(err)
	}
	second, endSecond, err := a.Open("daemon")
	if err != nil {
		t.Fatal(err)
	}
	if first.Known()["x"] != (graph.ID{3}) {
		t.Errorf("known %v", first.Known())
	}
	first.Made(old)
	if err := endFirst(); err != nil { // the second still uses it
		t.Fatal(err)
	}
	second.Made(cache.Making{Vertex: graph.ID{4}, Done: time.Now()})
	if err := endSecond(); err != nil {
		t.Fatal(err)
	}
	_, made, err := readAttributions(path)
	if err != nil || len(made) != 1 || made[0].Vertex != (graph.ID{4}) {
		t.Errorf("made %v (%v), want the new one alone", made, err)
	}
	if entries, _ := os.ReadDir(a.Dir); !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "daemon" }) {
		t.Errorf("files %v", entries)
	}
}
