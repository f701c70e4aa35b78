package compression

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// fake is a registry with images of layers by name, which are their text and as large as that
// is long.
type fake map[string][]string

func (f fake) Resolve(_ context.Context, image string, _ ocispecs.Platform) (layers.Chain, error) {
	texts, is := f[image]
	if !is {
		return layers.Chain{}, errors.New("not there")
	}
	var c layers.Chain
	for _, text := range texts {
		c.Layers = append(c.Layers, layers.Layer{Digest: digest.FromString(text), Size: int64(len(text))})
	}
	return c, nil
}

func (f fake) Plain(_ context.Context, image string, layer layers.Layer, most int64) ([]byte, error) {
	for _, text := range f[image] {
		if digest.FromString(text) == layer.Digest {
			return []byte(text[:min(int64(len(text)), most)]), nil
		}
	}
	return nil, errors.New("another image's layer")
}

func jobOf(name, kind, level string) *plan.Job {
	j := &plan.Job{Name: name}
	attrs := map[string]string{}
	if kind != "" {
		attrs["compression"] = kind
	}
	if level != "" {
		attrs["compression-level"] = level
	}
	j.Options.Exports = []client.ExportEntry{{Type: "image", Attrs: attrs}}
	return j
}

func builtOf(name string, compress, steps float64) ledger.Entry {
	pushed := true
	return ledger.Entry{Name: name, Tags: []string{name}, BaseImage: "base", Status: ledger.Built, Pushed: &pushed,
		Phases: &ledger.Phases{Compress: compress, Steps: steps}}
}

func TestTry(t *testing.T) {
	large := strings.Repeat("of the base ", 1<<18)
	own := strings.Repeat("the job's own ", 1<<17)
	images := fake{"base": {large}, "a": {large, "small", own}, "b": {large, own}}
	loaded := builtOf("a", 4, 4)
	loaded.Pushed = nil
	for name, tt := range map[string]struct {
		jobs   []*plan.Job
		done   []ledger.Entry
		way    string // empty: nothing is tried
		others int
	}{
		"gzip":                      {[]*plan.Job{jobOf("a", "gzip", "")}, []ledger.Entry{builtOf("a", 4, 4)}, "gzip", 2},
		"nothing said":              {[]*plan.Job{jobOf("a", "", "")}, []ledger.Entry{builtOf("a", 4, 4)}, "gzip", 2},
		"a level of its own":        {[]*plan.Job{jobOf("a", "gzip", "9")}, []ledger.Entry{builtOf("a", 4, 4)}, "gzip:9", 3},
		"the way of most time":      {[]*plan.Job{jobOf("a", "gzip", ""), jobOf("b", "zstd", "")}, []ledger.Entry{builtOf("a", 4, 4), builtOf("b", 5, 4)}, "zstd", 2},
		"little to save":            {[]*plan.Job{jobOf("a", "gzip", "")}, []ledger.Entry{builtOf("a", 4, 400)}, "", 0},
		"hardly any time":           {[]*plan.Job{jobOf("a", "gzip", "")}, []ledger.Entry{builtOf("a", 0.1, 0)}, "", 0},
		"in no registry":            {[]*plan.Job{jobOf("a", "gzip", "")}, []ledger.Entry{loaded}, "", 0},
		"not to be had":             {[]*plan.Job{jobOf("c", "gzip", "")}, []ledger.Entry{builtOf("c", 4, 4)}, "", 0},
		"another kind is no choice": {[]*plan.Job{jobOf("a", "estargz", "")}, []ledger.Entry{builtOf("a", 4, 4)}, "", 0},
		"nothing was done":          {nil, nil, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := Try(t.Context(), images, tt.jobs, tt.done)
			if tt.way == "" {
				if c != nil {
					t.Errorf("tried %+v", c)
				}
				return
			}
			if c == nil || c.Way != tt.way || c.SampleBytes != int64(len(own)) || len(c.Others) != tt.others {
				t.Fatalf("%+v", c)
			}
			for _, o := range c.Others {
				if o.Way == tt.way || o.Seconds <= 0 || o.Size <= 0 {
					t.Errorf("%+v", o)
				}
			}
		})
	}
}

// What another way makes of a layer is as BuildKit does it: the levels differ.
func TestSizes(t *testing.T) {
	text := []byte(strings.Repeat("some words that come again, and 12345\n", 1<<14))
	size := func(way string) int64 {
		m, err := measure(way, [][]byte{text})
		if err != nil {
			t.Fatal(err)
		}
		return m.size
	}
	if size("gzip:0") <= size("gzip:1") || size("gzip:1") <= size("gzip") || size("zstd") >= size("gzip") {
		t.Errorf("gzip:0 %d, gzip:1 %d, gzip %d, zstd %d bytes", size("gzip:0"), size("gzip:1"), size("gzip"), size("zstd"))
	}
}
