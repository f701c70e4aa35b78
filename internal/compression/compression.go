// Package compression tries on a run's own layers what compressing them in another way
// would take.
package compression

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/util/compression"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

const (
	// The least part of the jobs' time that goes for compressing, where a trial is made.
	leastShare = 0.05
	// How many bytes are tried for each second that compressing took: a trial shall take a
	// small part of that.
	bytesPerSecond = 1 << 20
	// How many are tried at least, where any are, and at most.
	leastBytes, mostBytes = 3 << 20, 48 << 20
	// How much there must be of it in the layers.
	leastSample = 1 << 20
	// Of how many images.
	mostImages = 3
	// How long registries may take to send the layers.
	patience = 20 * time.Second
)

// others are the ways that are tried: what everything reads, and what is quickest.
var others = []string{"gzip", "gzip:1", "zstd"}

// Registry sends images' layers. Its methods may be called concurrently.
type Registry interface {
	Resolve(ctx context.Context, image string, p ocispecs.Platform) (layers.Chain, error)
	// Plain returns the beginning of a layer, not compressed.
	Plain(ctx context.Context, image string, layer layers.Layer, most int64) ([]byte, error)
}

// Try tries other ways on new layers of the images that compressing took longest for. It
// returns nil where it would save little, and where nothing is known: of images that are in
// no registry, or are compressed in a way that has no cheaper one.
func Try(ctx context.Context, registry Registry, jobs []*plan.Job, entries []ledger.Entry) *ledger.Compressing {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := trialOf(jobs, entries)
	budget := min(int64(t.spent*bytesPerSecond), mostBytes)
	if t.spent < leastShare*t.all || budget < leastBytes {
		return nil
	}
	var sample [][]byte
	for _, image := range t.images {
		if layer := newest(ctx, registry, image, budget/int64(len(t.images))); len(layer) > 0 {
			sample = append(sample, layer)
		}
	}
	return t.on(sample)
}

// trial is what is tried.
type trial struct {
	way        string  // how the images were compressed
	spent, all float64 // seconds for compressing, and in all
	images     []ledger.Entry
}

// trialOf chooses the images that compressing took longest for, all of one way: that of most
// of the time.
func trialOf(jobs []*plan.Job, entries []ledger.Entry) (t trial) {
	ways, spent := map[string]string{}, map[string]float64{}
	for _, j := range jobs {
		ways[j.Name] = j.CompressedBy()
	}
	for _, e := range entries {
		if e.Phases == nil {
			continue
		}
		t.all += e.Phases.Seconds()
		if spent[ways[e.Name]] += e.Phases.Compress; spent[ways[e.Name]] > spent[t.way] || t.way == "" {
			t.way = ways[e.Name]
		}
		if e.Status == ledger.Built && e.InRegistry() && !e.Assembled && len(e.Tags) > 0 {
			t.images = append(t.images, e)
		}
	}
	t.spent = spent[t.way]
	t.images = slices.DeleteFunc(t.images, func(e ledger.Entry) bool { return ways[e.Name] != t.way })
	slices.SortStableFunc(t.images, func(a, b ledger.Entry) int { return cmp.Compare(b.Phases.Compress, a.Phases.Compress) })
	t.images = t.images[:min(len(t.images), mostImages)]
	return t
}

// newest returns the beginning of the largest layer of an image that none of the images has
// that it is built on; nil where that cannot be had.
func newest(ctx context.Context, registry Registry, e ledger.Entry, most int64) []byte {
	platform := platforms.DefaultSpec()
	if e.Descriptor != nil && e.Descriptor.Platform != nil {
		platform = *e.Descriptor.Platform
	}
	image, err := registry.Resolve(ctx, e.Tags[0], platform)
	if err != nil {
		return nil
	}
	old := map[string]bool{}
	for _, ref := range append(slices.Clone(e.Images), e.BaseImage) {
		if ref == "" {
			continue
		}
		base, err := registry.Resolve(ctx, ref, platform)
		if err != nil {
			return nil
		}
		for _, l := range base.Layers {
			old[l.Digest.String()] = true
		}
	}
	var largest layers.Layer
	for _, l := range image.Layers {
		if !old[l.Digest.String()] && l.Size > largest.Size {
			largest = l
		}
	}
	if largest.Size == 0 {
		return nil
	}
	plain, err := registry.Plain(ctx, e.Tags[0], largest, most)
	if err != nil {
		return nil
	}
	return plain
}

// on tries each way on a sample; it returns nil where that cannot be.
func (t trial) on(sample [][]byte) *ledger.Compressing {
	now, err := quickest(t.way, sample)
	if err != nil || now.plain < leastSample {
		return nil // of so little, times tell nothing
	}
	c := &ledger.Compressing{Way: t.way, Seconds: ledger.Thousandths(t.spent), SampleBytes: now.plain, Others: []ledger.OtherWay{}}
	for _, way := range others {
		if way == t.way {
			continue
		}
		m, err := quickest(way, sample)
		if err != nil {
			return nil
		}
		c.Others = append(c.Others, ledger.OtherWay{
			Way: way, Seconds: ledger.Thousandths(t.spent * m.seconds / now.seconds), Size: ledger.Thousandths(float64(m.size) / float64(now.size)),
		})
	}
	return c
}

// measured is what compressing a sample in one way took.
type measured struct {
	plain, size int64
	seconds     float64
}

// quickest is the better of two measurements: what comes first has memory to get.
func quickest(way string, sample [][]byte) (measured, error) {
	first, err := measure(way, sample)
	if err != nil {
		return measured{}, err
	}
	again, err := measure(way, sample)
	if again.seconds < first.seconds {
		return again, err
	}
	return first, err
}

// measure compresses a sample with what BuildKit compresses layers with (util/compression), and
// takes the digests that it takes, of what goes in and of what comes out: they are a good part
// of what a quick way takes.
func measure(way string, sample [][]byte) (m measured, err error) {
	config, err := configOf(way)
	if err != nil {
		return m, err
	}
	compress, _ := config.Type.Compress(context.Background(), config)
	start := time.Now()
	for _, plain := range sample {
		size := counter(0)
		w, err := compress(io.MultiWriter(&size, sha256.New()), config.Type.MediaType())
		if err != nil {
			return m, err
		}
		_, err = io.Copy(io.MultiWriter(w, sha256.New()), bytes.NewReader(plain))
		if err = cmp.Or(err, w.Close()); err != nil {
			return m, err
		}
		m.plain, m.size = m.plain+int64(len(plain)), m.size+int64(size)
	}
	m.seconds = time.Since(start).Seconds()
	return m, nil
}

// configOf reads TYPE[:LEVEL], of those types that are tried.
func configOf(way string) (config compression.Config, err error) {
	kind, level, leveled := strings.Cut(way, ":")
	switch kind {
	case "gzip":
		config = compression.New(compression.Gzip)
	case "zstd":
		config = compression.New(compression.Zstd)
	default:
		return config, fmt.Errorf("%s is not tried", kind)
	}
	if leveled {
		n, err := strconv.Atoi(level)
		if err != nil {
			return config, err
		}
		config = config.SetLevel(n)
	}
	return config, nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
