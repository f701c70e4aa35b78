package cache

import (
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// What a run has laid upon an image is the image's where the run is known to have made it,
// whatever else is called the same.
func TestClassifyImagesWithLinkedSteps(t *testing.T) {
	a := image("r/a:1", "os a")
	// The run knew the layers by other digests than the registry does.
	top := graph.LayerIDs([]string{"unpacked"})[0]
	laid, merged := graph.ID{1}, graph.ID{2}
	linked := []graph.Vertex{
		{ID: top, Kind: graph.Layer}, graph.AnythingUpon(top),
		{ID: laid, Kind: graph.Step, Results: []graph.Result{{Description: "COPY --link x /x"}}},
		{ID: merged, Kind: graph.Step, Inputs: []graph.ID{top, laid}, Results: []graph.Result{{Description: "LINK COPY --link x /x", On: []graph.ID{top, laid}}}},
		graph.AnythingUpon(merged),
	}
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	record := func(id, description string, at time.Time, parents ...string) Record {
		return Record{ID: id, Description: description, Parents: parents, Size: int64(len(description)), CreatedAt: at}
	}
	// The base was resolved, and never pulled: its layers have no names.
	records := []Record{
		record("os", "", now), record("a", "", now, "os"),
		record("copy", "[2/2] COPY --link x /x", now), record("merge", "[2/2] LINK COPY --link x /x", now, "a", "copy"),
	}
	others := []Record{
		record("other", "[2/2] COPY --link x /x", now.Add(-time.Hour)), record("base", "", now.Add(-time.Hour)),
		record("others", "[2/2] LINK COPY --link x /x", now.Add(-time.Hour), "base", "other"),
	}
	made := func(v graph.ID) Making { return Making{Vertex: v, Began: now.Add(-time.Second), Done: now} }
	known := NewMemory(map[string]graph.ID{"copy": laid}, []Making{made(merged)}, nil)
	for _, tt := range []struct {
		name    string
		records []Record
		linked  []graph.Vertex
		memory  *Memory
		needed  bool
		want    string
	}{
		{"known", records, linked, known, false, "merge copy a os"},
		{"by the moments of their making", records, linked, NewMemory(nil, []Making{made(laid), made(merged)}, nil), false, "merge copy a os"},
		{"of a plan", records, linked, known, true, ""},
		{"not known to be a run's", records, linked, NewMemory(nil, nil, nil), false, ""},
		{"not of this run", records, nil, known, false, ""},
		{"of another run, made at the same time", records, linked, NewMemory(map[string]graph.ID{"copy": {3}, "merge": {4}}, []Making{made(laid), made(merged)}, nil), false, ""},
		{"with a step upon it", append([]Record{record("dir", "[3/3] WORKDIR /x", now, "merge")}, records...), linked,
			NewMemory(map[string]graph.ID{"copy": laid, "merge": merged, "dir": {5}}, nil, nil), false, "dir merge copy a os"},
		{"beside another's", append(others, records...), linked, known, false, "merge copy a os"},
		{"another's stands on it", append([]Record{record("else", "[2/2] LINK COPY --link x /x", now.Add(-time.Hour), "base", "copy"), others[1]}, records...), linked, known, false, "merge a os"},
	} {
		r := ClassifyImages(tt.records, []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}, Linked: tt.linked, Needed: tt.needed}}, tt.memory, nil, knowing())
		checkReport(t, r.Report)
		if got := removable(r); got != tt.want {
			t.Errorf("%s: removes %q, want %q", tt.name, got, tt.want)
		}
	}
}
