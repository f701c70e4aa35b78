package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/flightcontrol"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
)

// images are the base images that the builder was asked about, each once. It may
// be used by several goroutines.
type images struct {
	direct *direct // nil where only the builder is asked
	// A question ends with the last who asks it: an interrupted run does not wait
	// for a registry that is silent.
	flight flightcontrol.Group[image]

	mu    sync.Mutex
	known map[string]map[string]image // by reference, and what optKey says of how it is read
	hosts map[string]*hostState
}

// image is what the builder resolved a reference to.
type image struct {
	ref    string // as the builder spells it, which may be with the digest
	digest digest.Digest
	config []byte
}

// hostState is how a registry has answered so far.
type hostState struct {
	answered bool
	failures int
	// hopeless ends when it is not worth being waited for any more.
	hopeless context.Context
	giveUp   context.CancelCauseFunc
	given    time.Time // when it was given up
}

const (
	// How long one image may take to resolve. BuildKit itself waits up to 30 s for
	// a connection.
	resolveTimeout = 20 * time.Second
	// The same, of a registry that has not answered yet.
	firstTimeout = 10 * time.Second
	// After how many images in vain a registry that never answered is asked no
	// more: hundreds of names of one that is out of reach would take minutes.
	hopelessHost = 3
	// UnreachablePause is after how long such a registry is asked again.
	UnreachablePause = 20 * time.Second
)

// ErrUnreachable says that a registry was not asked, since it has not answered
// before.
var ErrUnreachable = errors.New("the registry cannot be reached")

func newImages() *images {
	return &images{known: map[string]map[string]image{}, hosts: map[string]*hostState{}}
}

// resolve asks the builder what a reference stands for. What opt says beside the
// platform and the mode makes no difference to the answer.
func (m *images) resolve(ctx context.Context, c gateway.Client, ref string, opt sourceresolver.Opt) (image, error) {
	m.mu.Lock()
	known, ok := m.known[ref][optKey(opt)]
	m.mu.Unlock()
	if ok {
		return known, nil
	}
	if err := m.reachable(ref); err != nil {
		return image{}, err
	}
	found, err := m.flight.Do(ctx, ref+" "+optKey(opt), func(ctx context.Context) (image, error) {
		return m.ask(ctx, c, ref, opt)
	})
	if ctx.Err() != nil {
		// Not its cause, which may be another stage's error: the converter adds to
		// the errors that it is given where in the Dockerfile they come from.
		return image{}, ctx.Err()
	}
	return found, err
}

// forget has the builder be asked anew what tags stand for: images were made under them.
func (m *images) forget(tags []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tag := range tags {
		delete(m.known, imageref.WithoutDigest(tag))
	}
}

// ask is one question to the builder, for all who ask the same meanwhile. ctx ends
// when none of them wants to know any more.
func (m *images) ask(ctx context.Context, c gateway.Client, ref string, opt sourceresolver.Opt) (image, error) {
	patience, cancel := m.patience(ctx, ref)
	defer cancel()
	i, err := m.direct.image(patience, ref, opt, func() (i image, err error) {
		i.ref, i.digest, i.config, err = c.ResolveImageConfig(patience, ref, opt)
		return i, err
	})
	if ctx.Err() != nil {
		return image{}, ctx.Err() // this says nothing of the registry
	}
	if errors.As(err, new(*SilentError)) {
		return image{}, err // nor does this
	}
	if err != nil && patience.Err() != nil {
		err = context.Cause(patience)
	}
	if err != nil {
		// As BuildKit words it for a build.
		err = fmt.Errorf("failed to resolve source metadata for %s: %w", ref, err)
	}
	m.note(ref, err)
	if err != nil {
		return image{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(ref, opt, i)
	if i.digest != "" {
		m.keep(pinned(i.ref, i.digest), opt, i)
	}
	return i, nil
}

// keep remembers an image. The caller holds mu.
func (m *images) keep(ref string, opt sourceresolver.Opt, i image) {
	if m.known[ref] == nil {
		m.known[ref] = map[string]image{}
	}
	m.known[ref][optKey(opt)] = i
}

func optKey(opt sourceresolver.Opt) string {
	if opt.ImageOpt == nil {
		return ""
	}
	if opt.ImageOpt.Platform == nil {
		return opt.ImageOpt.ResolveMode
	}
	return platforms.FormatAll(*opt.ImageOpt.Platform) + " " + opt.ImageOpt.ResolveMode
}

// pinned is a reference with its digest.
func pinned(ref string, d digest.Digest) string {
	if strings.Contains(ref, "@") {
		return ref
	}
	return ref + "@" + d.String()
}

// patience bounds how long a reference's registry is waited for.
func (m *images) patience(ctx context.Context, ref string) (context.Context, context.CancelFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.host(ref)
	limit := resolveTimeout
	if !h.answered {
		limit = firstTimeout
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: no answer for %s within %s", ErrUnreachable, ref, limit))
	stop := context.AfterFunc(h.hopeless, func() { giveUp(context.Cause(h.hopeless)) })
	return ctx, func() {
		stop()
		cancel()
		giveUp(nil)
	}
}

// host returns what is known of a reference's registry. The caller holds mu.
func (m *images) host(ref string) *hostState {
	name := imageref.HostOf(ref)
	if m.hosts[name] == nil {
		m.hosts[name] = newHostState()
	}
	return m.hosts[name]
}

func newHostState() *hostState {
	h := &hostState{}
	h.hopeless, h.giveUp = context.WithCancelCause(context.Background())
	return h
}

// answers notes that a reference's registry does answer: a frontend has resolved it.
func (m *images) answers(ref string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.host(ref); h.hopeless.Err() != nil {
		m.hosts[imageref.HostOf(ref)] = newHostState()
	}
	m.host(ref).answered = true
}

// reachable tells that a reference's registry is worth asking.
func (m *images) reachable(ref string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.host(ref)
	if h.hopeless.Err() != nil && time.Since(h.given) > UnreachablePause {
		h = newHostState()
		m.hosts[imageref.HostOf(ref)] = h
	}
	if h.hopeless.Err() != nil {
		return fmt.Errorf("%w; %s was not asked for", context.Cause(h.hopeless), ref)
	}
	return nil
}

// note remembers how a registry answered. That an image does not exist is an
// answer, too. One that only failed so far is given up after a few images: nobody
// waits for it any more.
func (m *images) note(ref string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.host(ref)
	if err != nil {
		class, _ := Classify(err)
		h.answered = h.answered || class == Permanent || class == Throttled
		h.failures++
	} else {
		h.answered = true
	}
	if !h.answered && h.failures >= hopelessHost {
		h.given = time.Now()
		h.giveUp(fmt.Errorf("%w: none of %d requests to %s came through", ErrUnreachable, h.failures, imageref.HostOf(ref)))
	}
}

// Layers asks the node of what layers images consist, for the platform that it
// builds for by default, and tells found of each answer as it comes, from several
// goroutines. An image of which it cannot tell is left out. Nothing is pulled.
func (n *Node) Layers(ctx context.Context, refs []string, found func(ref string, layers graph.ImageLayers)) error {
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return err
	}
	_, err = c.Build(ctx, client.SolveOpt{Internal: true, Session: []session.Attachable{n.builder.credentials()}}, "stoker",
		func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			var group errgroup.Group
			group.SetLimit(graphWorkers)
			for _, ref := range refs {
				group.Go(func() error {
					if layers, err := n.builder.images.layers(ctx, c, graph.ImageSource{Ref: ref, Platform: pb.PlatformFromSpec(n.Platform())}, ""); err == nil {
						found(ref, layers)
					}
					return nil
				})
			}
			_ = group.Wait()
			return gateway.NewResult(), nil
		}, nil)
	return err
}

// layers returns the layers of an image that a definition reads: the digests of
// the unpacked ones, which its config has.
func (m *images) layers(ctx context.Context, c gateway.Client, s graph.ImageSource, mode string) (graph.ImageLayers, error) {
	opt := sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: mode}}
	if p := s.Platform; p != nil {
		platform := p.Spec()
		opt.ImageOpt.Platform = &platform
	}
	i, err := m.resolve(ctx, c, s.Ref, opt)
	if err != nil {
		return graph.ImageLayers{}, err
	}
	var config ocispecs.Image
	if err := json.Unmarshal(i.config, &config); err != nil {
		return graph.ImageLayers{}, fmt.Errorf("the config of %s: %w", s.Ref, err)
	}
	out := graph.ImageLayers{Ref: s.Ref, Digest: i.digest.String()}
	for _, d := range config.RootFS.DiffIDs {
		out.Digests = append(out.Digests, d.String())
	}
	return out, nil
}
