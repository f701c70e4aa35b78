package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// removals is a node that notes what it is asked to remove, and keeps some.
type removals struct {
	Node
	calls    [][]string
	kinds    []string // of all calls
	unlinked int      // records whose files are still there
	most     int      // records unlinked in a call
	keeps    string
	err      error
}

func (n *removals) Delete(_ context.Context, ids []string) ([]cache.Record, error) {
	n.unlinked = 0
	return n.remove("delete", ids)
}

func (n *removals) Unlink(_ context.Context, ids []string) ([]cache.Record, error) {
	n.unlinked, n.most = n.unlinked+len(ids), max(n.most, len(ids))
	return n.remove("unlink", ids)
}

func (n *removals) Collect(context.Context) error {
	n.kinds = append(n.kinds, "collect")
	n.unlinked = 0
	return nil
}

func (n *removals) remove(kind string, ids []string) ([]cache.Record, error) {
	n.calls, n.kinds = append(n.calls, ids), append(n.kinds, kind)
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

// Beside builds, a sweep asks for little at a time, and lets no more than a few
// records' files wait, none at its end, however it ends.
func TestRemoveBesideBuilds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		records int
		busy    func(calls int) bool
		err     error
		kinds   []string
	}{
		{"builds run", 37, func(int) bool { return true }, nil,
			[]string{"unlink", "unlink", "unlink", "collect", "unlink", "unlink", "collect"}},
		{"no build runs", 37, func(int) bool { return false }, nil, []string{"delete", "delete", "delete", "delete"}},
		{"builds end meanwhile", 37, func(calls int) bool { return calls < 2 }, nil, []string{"unlink", "unlink", "delete", "delete", "delete"}},
		{"nothing is dead", 0, func(int) bool { return true }, nil, nil},
		{"a call fails", 37, func(int) bool { return true }, errors.New("broken"), []string{"unlink", "collect"}},
	} {
		list, ids := someRecords(tt.records)
		node := &removals{err: tt.err}
		busy := func() bool { return tt.busy(len(node.calls)) }
		w := Remove(t.Context(), Options{Node: node, Pause: time.Second, Timeout: time.Minute, Busy: busy}, list)
		if got := slices.Concat(node.calls...); tt.err == nil && !slices.Equal(got, ids) {
			t.Errorf("%s: asked for %v, want %v", tt.name, got, ids)
		}
		if !errors.Is(w.Err, tt.err) || node.unlinked != 0 || node.most > gentleSlice {
			t.Errorf("%s: %d records in a call, the files of %d are left, %+v", tt.name, node.most, node.unlinked, w)
		}
		if !slices.Equal(node.kinds, tt.kinds) {
			t.Errorf("%s: calls %v, want %v", tt.name, node.kinds, tt.kinds)
		}
	}
}

// Whoever waits for space does not wait for a sweep that takes its time.
func TestASweepHurriesForTheNext(t *testing.T) {
	list, _ := someRecords(50)
	node := &removals{}
	s := &Sweeper{Options: Options{Node: node, Busy: func() bool { return true }, Timeout: time.Minute}, removal: newRemoval(time.Second), sweeping: make(chan struct{}, 1)}
	s.waiting.Add(1)
	s.alone(t.Context(), 1, func(ctx context.Context, w *Sweep) { s.remove(ctx, list, w) })
	s.waiting.Add(-1)
	if slices.Contains(node.kinds, "unlink") {
		t.Errorf("calls %v while another sweep waits", node.kinds)
	}
}

// letsGo is a node that leaves a record once, as BuildKit does while it is in use.
type letsGo struct {
	removals
	there []cache.Record
}

func (n *letsGo) Records(context.Context) ([]cache.Record, error) { return slices.Clone(n.there), nil }

func (n *letsGo) Delete(ctx context.Context, ids []string) ([]cache.Record, error) {
	gone, err := n.removals.Delete(ctx, ids)
	n.keeps = ""
	n.there = slices.DeleteFunc(n.there, func(r cache.Record) bool {
		return slices.ContainsFunc(gone, func(g cache.Record) bool { return g.ID == r.ID })
	})
	return gone, err
}

func TestTrimLooksAgainForWhatWasInUse(t *testing.T) {
	list, _ := someRecords(9)
	for i := range list {
		list[i].CreatedAt = time.Unix(int64(i), 0)
	}
	node := &letsGo{removals: removals{keeps: "r3"}, there: list}
	view := func(records []cache.Record) cache.View {
		return cache.View{Records: records, Needs: cache.NewNeeds(nil), Owner: cache.Exclusive}
	}
	s := Start(t.Context(), Options{Node: node, View: view, By: ByLineage, Pause: time.Second, Timeout: time.Minute})
	if w := s.Trim(t.Context(), 20, false); w.Err != nil || len(node.there) != 2 || w.Removed.Records != 7 || w.Refused.Records != 0 {
		t.Errorf("%d records are left, %+v", len(node.there), w)
	}
}

// A run that ends does not cut a call of a sweep short: the rest is left.
func TestEndLetsACallFinish(t *testing.T) {
	list, _ := someRecords(50)
	node := &letsGo{there: list}
	view := func(records []cache.Record) cache.View {
		return cache.View{Records: records, Needs: cache.NewNeeds(nil), Owner: cache.Exclusive}
	}
	var done Sweep
	var s *Sweeper
	first := func() bool { // asked before each call
		go s.End(t.Context())
		for !s.ending.Load() {
			time.Sleep(time.Millisecond)
		}
		return true
	}
	s = Start(t.Context(), Options{Node: node, View: view, By: ByLineage, Pause: time.Second, Timeout: time.Minute, Busy: first,
		Finished: func(w Sweep) { done = w }})
	s.Queue(Batch{Number: 1})
	for !s.ending.Load() {
		time.Sleep(time.Millisecond)
	}
	s.End(t.Context())
	if done.Err != nil || len(node.kinds) != 2 || node.kinds[1] != "collect" || done.Removed.Records != firstSlice {
		t.Errorf("calls %v, %+v", node.kinds, done)
	}
}

// slow takes a while for each call that removes, and ends with its context before.
type slow struct {
	letsGo
	cut int // calls that ended before they were done
}

func (n *slow) Delete(ctx context.Context, ids []string) ([]cache.Record, error) {
	select {
	case <-time.After(2 * time.Second):
		return n.letsGo.Delete(ctx, ids)
	case <-ctx.Done():
		n.cut++
		return nil, context.Cause(ctx)
	}
}

// A sweep that is ended on purpose, since something else goes first, lets its call finish and
// has not failed.
func TestASweepThatGivesWayHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, _ := someRecords(50)
		node := &slow{letsGo: letsGo{there: list}}
		background, end := context.WithCancel(t.Context())
		s := Start(background, Options{Node: node, By: ByLineage, Pause: time.Second, Timeout: time.Minute, View: func(records []cache.Record) cache.View {
			return cache.View{Records: records, Needs: cache.NewNeeds(nil), Owner: cache.Exclusive}
		}})
		ctx, giveWay := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { giveWay(errors.New("an heir goes first")) })
		w := s.Free(ctx, 1<<40)
		if c := s.Counts(); !w.Left || w.Err != nil || len(c.Failures) > 0 || node.cut > 0 || w.Removed.Records != firstSlice {
			t.Errorf("%+v; failures %q, %d calls were cut short", w, c.Failures, node.cut)
		}
		end()
		s.Wait()
	})
}
