package cache

import (
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// What an earlier run made of another content stands where this run's steps will, and is
// called the same. It is not there for them; on a builder that nobody else uses it is left
// over, and elsewhere kept as it was.
func TestFormerRecords(t *testing.T) {
	j := job("a", "FROM env1|COPY agent #new|RUN make|RUN own")
	was := job("a", "FROM env1|COPY agent #old|RUN make|RUN own")
	needs := NewNeeds([]Job{j})
	start := time.Unix(1000, 0)
	records := []Record{{ID: "os", Description: pulled(env1)}, {ID: "deb", Description: pulled(env1), Parents: []string{"os"}}, {ID: "env", Description: pulled(env1), Parents: []string{"deb"}}}
	known, below := map[string]graph.ID{}, "env"
	for _, v := range was.Graph.Vertices[3:] {
		id := v.Results[0].Description
		records = append(records, Record{ID: id, Description: id, Parents: []string{below}})
		if v.ID != was.Graph.Vertices[5].ID { // of the last nobody has found out what it is
			known[id] = v.ID
		}
		below = id
	}
	before := map[string]struct{}{}
	for i := range records {
		records[i].Kind, records[i].Size, records[i].CreatedAt = KindRegular, 10, start
		before[records[i].ID] = struct{}{}
	}
	for owner, want := range map[Ownership]State{Exclusive: LeftOver, Shared: Live} {
		r := Classify(View{Records: records, Needs: needs, Owner: owner, Before: before, Memory: NewMemory(known, nil, nil)})
		seen := r.Sizes()
		if len(seen.Vertices) != 3 || len(seen.Former) != 3 {
			t.Errorf("owner %d: there are %v, and in place of others %v", owner, seen.Vertices, seen.Former)
		}
		if got := r.Verdicts[3].State; got != want {
			t.Errorf("owner %d: the copy is %v, want %v", owner, got, want)
		}
	}
}
