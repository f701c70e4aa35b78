package builder

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	buildxbuilder "github.com/docker/buildx/builder"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/imageref"
)

// ConfigOf asks a registry what a reference stands for, and for the config of that for a
// platform.
type ConfigOf func(ctx context.Context, ref string, platform *ocispecs.Platform) (digest.Digest, []byte, error)

// AskRegistries has registries be asked what base images are, where that is known to be what
// the builder would be told: it has no mirror of the registry, and has told the same of the
// first images. BuildKit writes to its disk ten times for each image that it is asked about,
// one after the other.
func (b *Builder) AskRegistries(ask ConfigOf) {
	b.images.direct = &direct{ask: ask, fits: b.asksItself, hosts: map[string]*trust{}}
}

// asksItself tells that the builder's nodes are known to ask a registry, and neither a mirror
// of it nor an image store of their own.
func (b *Builder) asksItself(host string) bool {
	nodes := b.bxNodes()
	return len(nodes) > 0 && !slices.ContainsFunc(nodes, func(n buildxbuilder.Node) bool {
		config, seen, err := configOf(n)
		return err != nil || !seen || n.Driver.IsMobyDriver() || len(config.Registries[host].Mirrors) > 0
	})
}

// direct asks registries what the builder would ask them. A nil one asks none. It may be used
// by several goroutines.
type direct struct {
	ask  ConfigOf
	fits func(host string) bool

	mu    sync.Mutex
	hosts map[string]*trust
}

// trust is what is known of a registry: whether it tells what the builder tells.
type trust struct {
	mu       sync.Mutex
	sampling int // images that were asked of both, or are being
	same     int // of these, those of which both told the same
	failures int // images of which the registry alone could not tell
	fits     bool
	settled  chan struct{} // is closed when it is known
}

// sampleWait is how long one waits for what others find out of a registry.
const sampleWait = 300 * time.Millisecond

// image returns what a reference stands for, which the builder tells where the registry does
// not.
func (d *direct) image(ctx context.Context, ref string, opt sourceresolver.Opt, ofBuilder func() (image, error)) (image, error) {
	if d == nil || opt.ImageOpt == nil || opt.ImageOpt.Platform == nil {
		return ofBuilder()
	}
	t := d.host(ref)
	if t.takesSample() {
		i, err := ofBuilder()
		if err != nil {
			t.spoiled()
			return i, err
		}
		own, err := d.registry(ctx, ref, opt)
		t.compared(err == nil && i.ref == own.ref && i.digest == own.digest && bytes.Equal(i.config, own.config))
		return i, nil
	}
	if t.await(ctx) {
		own, err := d.registry(ctx, ref, opt)
		if err == nil {
			return own, nil
		}
		t.failed(err)
	}
	return ofBuilder()
}

func (d *direct) registry(ctx context.Context, ref string, opt sourceresolver.Opt) (i image, err error) {
	i.ref = ref
	i.digest, i.config, err = d.ask(ctx, ref, opt.ImageOpt.Platform)
	return i, err
}

func (d *direct) host(ref string) *trust {
	host := imageref.HostOf(ref)
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.hosts[host]
	if t == nil {
		t = &trust{fits: d.fits(host), settled: make(chan struct{})}
		if !t.fits {
			close(t.settled)
		}
		d.hosts[host] = t
	}
	return t
}

// takesSample tells whether both are to be asked about one more image.
func (t *trust) takesSample() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.fits || t.sampling == samples {
		return false
	}
	t.sampling++
	return true
}

// spoiled notes a sample of which the builder could not tell.
func (t *trust) spoiled() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sampling--
}

func (t *trust) compared(same bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.fits {
		return
	}
	if same {
		t.same++
	}
	if t.fits = same; !same || t.same == samples {
		close(t.settled)
	}
}

// await waits a while until it is known whether the registry tells the same, and tells that.
func (t *trust) await(ctx context.Context) bool {
	timer := time.NewTimer(sampleWait)
	defer timer.Stop()
	select {
	case <-t.settled:
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.fits
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// failed notes that the registry has not told of an image. One that goes on so is not worth
// asking: the builder may have another way to it.
func (t *trust) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures++; t.failures == hopelessHost {
		t.fits = false
	}
}
