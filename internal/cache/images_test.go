package cache

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

// knowing answers ClassifyImages from a list of images.
func knowing(images ...graph.ImageLayers) func(Name) (int, bool) {
	return func(n Name) (int, bool) {
		i := slices.IndexFunc(images, func(i graph.ImageLayers) bool { return i.Digest == n.Digest.String() })
		if i < 0 {
			return 0, false
		}
		return len(images[i].Digests), true
	}
}

func removable(r *ImageReport) string {
	var ids []string
	for _, rec := range r.Pick(Policy{}) {
		ids = append(ids, rec.ID)
	}
	return strings.Join(ids, " ")
}

func TestClassifyImages(t *testing.T) {
	a, b := image("r/a:1", "os env a"), image("r/b:1", "os env b")
	whole, rest := image("r/env:1", "os env"), image("r/gone:1", "os env gone")
	own := func(name graph.ImageLayers, more ...Record) []Record {
		return append([]Record{
			rec("os", "", pulled(name)), rec("env", "os", pulled(name)), rec("a", "env", pulled(a)),
			rec("run", "a", "mount / from exec x"), rec("copy", "run", "[2/2] COPY . ."),
			rec("context", "", "local source for context"),
		}, more...)
	}
	tests := []struct {
		name    string
		records []Record
		want    string // removed, in their order
		why     string // env is kept
	}{
		{"alone", own(a), "copy run a env os", ""},
		{"another image stands on it", own(a, rec("b", "env", pulled(b))), "copy run a", "r/b:1 has it too"},
		{"another image pulled it and stands on it", own(b, rec("b", "env", pulled(b))), "copy run a", "r/b:1 has it too"},
		{"another image ends there", own(whole), "copy run a", "r/env:1 has it too"},
		{"the rest of another image", own(rest), "copy run a env os", ""},
		{"nobody knows the other image", own(image("r/unknown:1", "?")), "copy run a", "r/unknown:1 has it too"},
		{"another image's step stands on it", own(a, rec("else", "env", "[2/9] RUN else")), "copy run a", `it is below "[2/9] RUN else", which is of another image`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := ClassifyImages(tt.records, []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}}}, nil, nil, knowing(b, whole, rest))
			checkReport(t, r.Report)
			if got := removable(r); got != tt.want {
				t.Errorf("removes %q, want %q", got, tt.want)
			}
			if live := r.Totals().Live; live.Records != 0 {
				t.Errorf("%d records are live, although no image is needed", live.Records)
			}
			images, _ := r.Shares(r.Pick(Policy{}))
			switch keep := images[0].Keep; {
			case tt.why == "" && len(keep) > 0:
				t.Errorf("keeps %+v", keep)
			case tt.why != "" && (len(keep) != 1 || keep[0] != Kept{tt.why, Sum{2, 2}}):
				t.Errorf("keeps %+v, want 2 records because %q", keep, tt.why)
			}
		})
	}
}

func TestClassifyImagesInUse(t *testing.T) {
	a := image("r/a:1", "os a")
	records := append(stack("a", a), rec("run", "a1", "mount / from exec x"))
	records[2].InUse = true
	r := ClassifyImages(records, []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}}}, nil, nil, knowing())
	images, _ := r.Shares(r.Pick(Policy{}))
	want := []Kept{{"a running build uses what stands on it", Sum{2, 2}}, {"a running build uses it", Sum{1, 1}}}
	if !slices.Equal(images[0].Keep, want) || images[0].Remove.Records != 0 {
		t.Errorf("%+v", images[0])
	}
}

// Why something is kept is told in the same words, in whatever order a builder lists
// its records.
func TestWhyIsTheSameInAnyOrder(t *testing.T) {
	a, b, c := image("r/a:1", "os a"), image("r/b:1", "os b"), image("r/c:1", "os c")
	records := append(stack("a", a), rec("c", "a0", pulled(c)), rec("b", "a0", pulled(b)))
	for range 2 {
		slices.Reverse(records)
		r := ClassifyImages(records, []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}}}, nil, nil, knowing(b, c))
		own, _ := r.Shares(r.Pick(Policy{}))
		if want := []Kept{{"r/b:1 has it too", Sum{1, 1}}}; !slices.Equal(own[0].Keep, want) {
			t.Errorf("keeps %+v, want %+v", own[0].Keep, want)
		}
	}
}

// Every record of an image is in one share, and what is removed is all that can be.
func TestSharesAddUp(t *testing.T) {
	a, b, c := image("r/a:1", "os env a"), image("r/b:1", "os env b"), image("r/c:1", "os c")
	records := append(stack("a", a), rec("b", "a1", pulled(b)), rec("c", "a0", pulled(c)), rec("run", "b", "[2/2] RUN x"))
	images := []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}}, {Ref: b.Ref, Chains: []graph.ImageLayers{b}}, {Ref: "r/none:1"}}
	r := ClassifyImages(records, images, nil, nil, knowing())
	own, shared := r.Shares(r.Pick(Policy{}))
	if own[0].All.Records != 3 || own[0].Remove.Records != 1 || own[1].All.Records != 4 || own[1].Remove.Records != 2 || own[2].All.Records != 0 {
		t.Errorf("own %+v", own)
	}
	if shared.All.Records != 2 || shared.Remove.Records != 1 || len(shared.Keep) != 1 || shared.Keep[0].Why != "r/c:1 has it too" {
		t.Errorf("shared %+v", shared)
	}
	if n := len(r.Pick(Policy{})); n != 4 {
		t.Errorf("%d records are removed, want 4", n)
	}
}

func TestClassifyImagesForAPlan(t *testing.T) {
	a, b := image("r/a:1", "os a"), image("r/b:1", "os b")
	records := append(stack("a", a), rec("b", "a0", pulled(b)), rec("run", "b", "[2/2] RUN x"))
	r := ClassifyImages(records, []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}}, {Ref: b.Ref, Chains: []graph.ImageLayers{b}, Needed: true}}, nil, nil, knowing())
	want := map[string]State{"a0": Live, "a1": Dead, "b": Live, "run": Live}
	for i, rec := range r.Records {
		if r.Verdicts[i].State != want[rec.ID] {
			t.Errorf("%s is %s, want %s", rec.ID, r.Verdicts[i].State, want[rec.ID])
		}
	}
}

func TestNames(t *testing.T) {
	a := image("r/a:1", "os a")
	got := Names(append(stack("a", a), rec("run", "a1", "[2/2] RUN x"), rec("odd", "", "pulled from r/odd")))
	if want := []Name{{"r/a:1", digest.Digest(a.Digest)}, {"r/odd", ""}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Where a tag has moved, what it stood for when it was pulled is the image, too.
func TestClassifyImagesOfAMovedTag(t *testing.T) {
	old, now := image("r/a:1", "os old"), image("r/a:1", "os now")
	records := append(stack("a", old), rec("now", "a0", pulled(now)), rec("run", "a1", run("x")), rec("b", "a0", pulled(image("r/b:1", "os b"))))
	r := ClassifyImages(records, []Image{{Ref: "r/a:1", Chains: []graph.ImageLayers{now, old}}}, nil, nil, knowing())
	checkReport(t, r.Report)
	if got := removable(r); got != "run a1 now" {
		t.Errorf("removes %q, want both and not what they share with r/b:1", got)
	}
}

// A layer with a stranger's name is found by what the stranger's image is known to be.
func TestClassifyImagesByExplainedNames(t *testing.T) {
	a, other := image("r/a:1", "os a"), image("r/other:1", "os other")
	records := []Record{rec("os", "", pulled(other)), rec("run", "os", run("x"))}
	explain := func(d digest.Digest) ([]graph.ID, bool) {
		return graph.LayerIDs(other.Digests), d.String() == other.Digest
	}
	r := ClassifyImages(records, []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}}}, nil, explain, knowing(other))
	checkReport(t, r.Report)
	if got := removable(r); got != "" {
		t.Errorf("removes %q, want nothing: a step stands on os that is of no image", got)
	}
	r = ClassifyImages(records[:1], []Image{{Ref: a.Ref, Chains: []graph.ImageLayers{a}}}, nil, explain, knowing(other))
	if got := removable(r); got != "os" {
		t.Errorf("removes %q, want os: the rest of the other image is gone", got)
	}
}
