package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// removals is a node that notes what it is asked to delete, and keeps some.
type removals struct {
	Node
	calls [][]string
	keeps string
	err   error
}

func (n *removals) Delete(_ context.Context, ids []string) ([]cache.Record, error) {
	n.calls = append(n.calls, ids)
	var gone []cache.Record
	for _, id := range ids {
		if id != n.keeps {
			gone = append(gone, cache.Record{ID: id, Size: 10})
		}
	}
	return gone, n.err
}

func someRecords(n int) (list []cache.Record, ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprint("r", i))
		list = append(list, cache.Record{ID: ids[i], Size: 10})
	}
	return list, ids
}

// A delete call without ids would be one without a filter, which removes all.
func TestRemoveAsksForExactlyTheList(t *testing.T) {
	for _, n := range []int{0, 1, 37} {
		list, ids := someRecords(n)
		node := &removals{keeps: "r3"}
		w := Remove(t.Context(), Options{Node: node, Pause: time.Second, Timeout: time.Minute}, list)
		for _, call := range node.calls {
			if len(call) == 0 {
				t.Fatalf("of %d records: a delete call without ids", n)
			}
		}
		if got := slices.Concat(node.calls...); !slices.Equal(got, ids) {
			t.Errorf("asked for %v, want %v", got, ids)
		}
		refused := cache.Sum{}
		if n > 3 {
			refused = cache.Sum{Records: 1, Bytes: 10}
		}
		if w.Err != nil || w.Refused != refused || w.Astray.Records != 0 || w.Removed.Records != n-refused.Records || w.Dead.Records != n {
			t.Errorf("of %d records: %+v", n, w)
		}
	}
}

func TestRemoveStopsAtAnError(t *testing.T) {
	list, _ := someRecords(37)
	node := &removals{err: errors.New("broken")}
	w := Remove(t.Context(), Options{Node: node, Pause: time.Second, Timeout: time.Minute}, list)
	if len(node.calls) != 1 || !errors.Is(w.Err, node.err) || w.Removed.Records != len(node.calls[0]) {
		t.Errorf("%d calls, %+v", len(node.calls), w)
	}
}
