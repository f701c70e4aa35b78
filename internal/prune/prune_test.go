package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/sweep"
)

// image has a layer for each word, bottom first.
func image(ref, layers string) graph.ImageLayers {
	return graph.ImageLayers{Ref: ref, Digest: digest.FromString(ref).String(), Digests: strings.Fields(layers)}
}

func pulled(id, parent string, i graph.ImageLayers) cache.Record {
	return record(id, parent, "pulled from "+i.Ref+"@"+i.Digest)
}

func record(id, parent, description string) cache.Record {
	r := cache.Record{ID: id, Description: description, Kind: cache.KindRegular, Size: int64(len(id))}
	if parent != "" {
		r.Parents = []string{parent}
	}
	return r
}

// judge judges records for named images, where of all images it is known what they are.
func judge(records []cache.Record, all []graph.ImageLayers, named ...cache.Image) Cache {
	find := func(d digest.Digest) int {
		return slices.IndexFunc(all, func(i graph.ImageLayers) bool { return i.Digest == d.String() })
	}
	explain := func(d digest.Digest) ([]graph.ID, bool) {
		if at := find(d); at >= 0 {
			return graph.LayerIDs(all[at].Digests), true
		}
		return nil, false
	}
	ask := func(n cache.Name) (int, bool) {
		if at := find(n.Digest); at >= 0 {
			return len(all[at].Digests), true
		}
		return 0, false
	}
	return Cache{Node: "node", Report: cache.ClassifyImages(records, named, nil, explain, ask), Problems: make([]error, len(named))}
}

func named(images ...graph.ImageLayers) (list []cache.Image) {
	for _, i := range images {
		list = append(list, cache.Image{Ref: i.Ref, Chains: []graph.ImageLayers{i}})
	}
	return list
}

func TestNew(t *testing.T) {
	a, b, other := image("r/a:1", "os env a"), image("r/b:1", "os env b"), image("r/other:1", "else")
	records := []cache.Record{
		pulled("os", "", a), pulled("env", "os", a), pulled("a", "env", a), record("run", "a", "mount / from exec x"),
		pulled("b", "env", b), pulled("else", "", other), record("step", "else", "[2/2] RUN y"), record("context", "", "local source for context"),
	}
	inUse := slices.Clone(records)
	inUse[3].InUse = true
	for _, tt := range []struct {
		name    string
		records []cache.Record
		images  []cache.Image
		policy  cache.Policy
		goes    string
		inUse   bool
		own     []int // records that go of each image
		shared  int
		others  int
	}{
		{"of one image", records, named(a), cache.Policy{}, "run a", false, []int{2}, 0, 0},
		{"of both", records, named(a, b), cache.Policy{}, "run a b env os", false, []int{2, 1}, 2, 0},
		{"of one that is not there", records, named(image("r/none:1", "none")), cache.Policy{}, "", false, []int{0}, 0, 0},
		{"while a build runs on it", inUse, named(a), cache.Policy{}, "", true, []int{0}, 0, 0},
		{"one is needed", records, append(named(a), cache.Image{Ref: b.Ref, Chains: []graph.ImageLayers{b}, Needed: true}), cache.Policy{}, "run a", false, []int{2, 0}, 0, 0},
		{"with what is somebody else's", records, named(a, b), cache.Policy{Foreign: true}, "run a b env os context step else", false, []int{2, 1}, 2, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := New([]Cache{judge(tt.records, nil, tt.images...)}, tt.policy)[0]
			var goes []string
			for _, r := range n.Records {
				goes = append(goes, r.ID)
			}
			if got := strings.Join(goes, " "); got != tt.goes || n.InUse != tt.inUse {
				t.Errorf("removes %q, in use: %t; want %q, %t", got, n.InUse, tt.goes, tt.inUse)
			}
			for i, want := range tt.own {
				if got := n.Images[i].Remove.Records; got != want || n.Images[i].Ref != tt.images[i].Ref {
					t.Errorf("of %s go %d, want %d", n.Images[i].Ref, got, want)
				}
			}
			if n.Shared.Remove.Records != tt.shared || n.Others.Records != tt.others {
				t.Errorf("of what they share go %d, of others' %d; want %d, %d", n.Shared.Remove.Records, n.Others.Records, tt.shared, tt.others)
			}
		})
	}
}

func TestTotals(t *testing.T) {
	a := image("r/a:1", "os")
	c := judge([]cache.Record{pulled("four", "", a)}, nil, named(a)...)
	p := New([]Cache{c, c}, cache.Policy{})
	if got := p.Remove(); got != (cache.Sum{Records: 2, Bytes: 8}) || p.Unknown() {
		t.Errorf("of two nodes %+v, unknown: %t", got, p.Unknown())
	}
	c.Problems[0] = errors.New("nobody answers")
	if !New([]Cache{c}, cache.Policy{}).Unknown() {
		t.Error("an image of which not all is known is not told")
	}
}

// node notes what it is asked to remove.
type node struct {
	sweep.Node
	asked []string
	kinds []string
	also  string // is removed beside what is asked for
	err   error
	then  func()
}

func (n *node) Delete(_ context.Context, ids []string) ([]cache.Record, error) {
	return n.remove("delete", ids)
}

func (n *node) Unlink(_ context.Context, ids []string) ([]cache.Record, error) {
	return n.remove("unlink", ids)
}

func (n *node) Collect(context.Context) error { return nil }

func (n *node) remove(kind string, ids []string) (gone []cache.Record, err error) {
	n.asked, n.kinds = append(n.asked, ids...), append(n.kinds, kind)
	for _, id := range ids {
		gone = append(gone, cache.Record{ID: id, Size: 1})
	}
	if n.also != "" {
		gone = append(gone, cache.Record{ID: n.also, Size: 1000})
	}
	if n.then != nil {
		n.then()
	}
	return gone, n.err
}

var quick = Pace{Pause: time.Second, Timeout: time.Minute}

func planOf(name string, ids ...string) NodePlan {
	n := NodePlan{Node: name}
	for _, id := range ids {
		n.Records = append(n.Records, cache.Record{ID: id, Size: 1})
	}
	return n
}

func TestExecuteRemovesThePlanAndNothingElse(t *testing.T) {
	one, two, none := &node{}, &node{}, &node{}
	p := Plan{planOf("one", "a", "b"), planOf("two", "c"), planOf("none")}
	p[1].InUse = true
	o := p.Execute(t.Context(), []sweep.Node{one, two, none}, quick)
	if got := fmt.Sprint(one.asked, two.asked, none.asked); got != "[a b] [c] []" {
		t.Errorf("asked for %s", got)
	}
	if got := fmt.Sprint(one.kinds, two.kinds); got != "[delete] [unlink]" {
		t.Errorf("by %s: where builds run, they have to be left time", got)
	}
	if len(o) != 3 || o.Err() != nil || o.Of(0).Removed.Records != 2 || o.Of(2).Removed.Records != 0 || o.Of(3) != nil {
		t.Errorf("outcome %+v", o)
	}
}

func TestOutcome(t *testing.T) {
	beyond := Plan{planOf("n", "a")}.Execute(t.Context(), []sweep.Node{&node{also: "x"}}, quick)
	if err := beyond.Err(); err == nil || err.Error() != "n: BuildKit removed 1 record (1kB) that it was not asked for: report this as an error in stoker" {
		t.Errorf("what was not asked for: %v", err)
	}
	broken := errors.New("broken")
	failed := Plan{planOf("n", "a"), planOf("m", "b")}.Execute(t.Context(), []sweep.Node{&node{err: broken, also: "x"}, &node{}}, quick)
	if err := failed.Err(); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "n: deleting 1 records: ") || len(failed) != 2 {
		t.Errorf("a call that fails, of %d nodes: %v", len(failed), err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	never := &node{}
	o := Plan{planOf("n", "a"), planOf("m", "b")}.Execute(ctx, []sweep.Node{&node{then: func() { cancel(stop) }}, never}, quick)
	if len(o) != 1 || !errors.Is(o.Err(), stop) || o.Of(1) != nil || never.asked != nil {
		t.Errorf("cut short: %+v, asked for %v", o, never.asked)
	}
}
