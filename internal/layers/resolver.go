package layers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	digest "github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/stoker-build/stoker/internal/credentials"
)

// Options say how a Resolver asks registries. The zero value is usable.
type Options struct {
	// Dir is where chains are kept between runs; empty keeps nothing.
	Dir string
	// Platform is the builder's; by default linux on this machine's architecture.
	Platform v1.Platform
	// Keychain has the credentials; by default Docker's configuration.
	Keychain authn.Keychain
	// Insecure are registries (host or host:port) that may be asked over plain
	// HTTP. Loopback addresses, localhost, *.local and private IPv4 addresses
	// may be without being listed; HTTPS is tried first everywhere.
	Insecure []string
	// Mirrors are asked before a registry itself, by its host: hosts, perhaps with
	// a path.
	Mirrors map[string][]string
	// Parallel is how many references are asked for at once; by default 16.
	Parallel int
	// Tries is how often one reference is asked for while the registry fails in
	// a way that may pass; by default 5.
	Tries int
	// Delay is the pause before the second try; each further one is twice as
	// long, up to a minute. By default half a second.
	Delay time.Duration
	// Transport carries the requests; by default go-containerregistry's.
	Transport http.RoundTripper
}

// Resolver finds the chains of references. Within its life each reference is
// asked for once: it stands for one run. It may be used by several goroutines.
type Resolver struct {
	opts   Options
	store  store
	slots  *semaphore.Weighted
	flight singleflight.Group

	mu   sync.Mutex
	done map[string]Chain // by normalized reference
}

// NewResolver returns a Resolver; it does no I/O.
func NewResolver(o Options) *Resolver {
	if o.Platform.OS == "" {
		o.Platform = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	if o.Keychain == nil {
		o.Keychain = credentials.New()
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	if o.Tries <= 0 {
		o.Tries = 5
	}
	if o.Delay <= 0 {
		o.Delay = 500 * time.Millisecond
	}
	if o.Transport == nil {
		o.Transport = remote.DefaultTransport
	}
	o.Transport = &pings{next: o.Transport, known: map[string]pong{}}
	return &Resolver{
		opts:  o,
		store: store{dir: o.Dir, platform: o.Platform},
		slots: semaphore.NewWeighted(int64(o.Parallel)),
		done:  map[string]Chain{},
	}
}

// Normalize returns the form of a reference that BuildKit writes into a
// record's name: docker.io and library added, and the tag latest where there is
// neither tag nor digest.
func Normalize(ref string) (string, error) {
	named, err := normalize(ref)
	if err != nil {
		return "", err
	}
	return named.String(), nil
}

func normalize(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, fmt.Errorf("image reference %q: %w", ref, err)
	}
	return reference.TagNameOnly(named), nil
}

// Resolve returns the chain of ref. A reference with a digest that is kept on
// disk costs no request; any other costs one GET of its manifest, or two where
// it is an index (one where the platform's manifest is kept). Besides there is
// one request to each registry, and one for a token where the registry wants
// one for each repository. A failure is not remembered.
//
// See ErrNotFound, ErrDenied and ErrUnavailable for the errors. A chain that
// could not be kept on disk is no error: it is asked for again next time.
func (r *Resolver) Resolve(ctx context.Context, ref string) (Chain, error) {
	named, err := normalize(ref)
	if err != nil {
		return Chain{}, err
	}
	key := named.String()
	for {
		if c, ok := r.recall(key); ok {
			return c, nil
		}
		ch := r.flight.DoChan(key, func() (any, error) { return r.find(ctx, named) })
		select {
		case <-ctx.Done():
			return Chain{}, fmt.Errorf("resolve %s: %w", key, context.Cause(ctx))
		case res := <-ch:
			if res.Err == nil {
				return res.Val.(Chain), nil
			}
			// The caller whose context the request ran under gave up; this one
			// has not.
			if errors.Is(res.Err, errGivenUp) && ctx.Err() == nil {
				continue
			}
			return Chain{}, res.Err
		}
	}
}

// Lookup returns the chain of an index's or a manifest's digest from disk,
// without a request. With it the names of records can be explained that were
// pulled in earlier runs. The chain has no Ref.
func (r *Resolver) Lookup(d digest.Digest) (Chain, bool) { return r.store.get(d) }

func (r *Resolver) recall(key string) (Chain, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.done[key]
	return c, ok
}

// find gets a chain from disk or from the registry, and remembers it.
func (r *Resolver) find(ctx context.Context, named reference.Named) (Chain, error) {
	if err := r.slots.Acquire(ctx, 1); err != nil {
		return Chain{}, fmt.Errorf("resolve %s: %w: %w", named, errGivenUp, err)
	}
	defer r.slots.Release(1)

	c, ok := Chain{}, false
	if d, is := named.(reference.Digested); is {
		c, ok = r.store.get(d.Digest())
	}
	if !ok {
		var err error
		if c, err = r.fetchPatiently(ctx, named); ctx.Err() != nil {
			return Chain{}, fmt.Errorf("resolve %s: %w: %w", named, errGivenUp, context.Cause(ctx))
		} else if err != nil {
			return Chain{}, explain(named.String(), err)
		}
		// A full or read-only disk must not stop the run: the entry only saves
		// a request.
		_ = r.store.put(c)
	}
	c.Ref = named.String()

	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[c.Ref] = c
	return c, nil
}

// fetchPatiently fetches, again and again while the failure may pass.
func (r *Resolver) fetchPatiently(ctx context.Context, named reference.Named) (Chain, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = r.opts.Delay
	pause.Multiplier = 2
	pause.MaxInterval = time.Minute
	return backoff.Retry(ctx, func() (Chain, error) {
		c, err := r.fetch(ctx, named)
		if err != nil && !errors.Is(explain("", err), ErrUnavailable) {
			return c, backoff.Permanent(err)
		}
		return c, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(uint(r.opts.Tries)), backoff.WithMaxElapsedTime(0))
}

// fetch asks the mirrors and the registry once.
func (r *Resolver) fetch(ctx context.Context, named reference.Named) (Chain, error) {
	host := reference.Domain(named)
	for _, mirror := range r.opts.Mirrors[host] {
		at := mirror + strings.TrimPrefix(named.String(), host)
		mirrorHost, _, _ := strings.Cut(mirror, "/")
		if c, err := r.fetchFrom(ctx, mirrorHost, at); err == nil {
			return c, nil
		}
	}
	return r.fetchFrom(ctx, host, named.String())
}

func (r *Resolver) fetchFrom(ctx context.Context, host, at string) (Chain, error) {
	ref, err := name.ParseReference(at, r.nameOptions(host)...)
	if err != nil {
		return Chain{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	desc, err := remote.Get(ref,
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(r.opts.Keychain),
		remote.WithTransport(r.opts.Transport),
		// Repeating is fetchPatiently's, so that the number of tries is known.
		remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Steps: 1}),
	)
	if err != nil {
		return Chain{}, err
	}
	return r.read(desc)
}

func (r *Resolver) nameOptions(host string) []name.Option {
	if slices.Contains(r.opts.Insecure, host) || isLoopback(host) {
		return []name.Option{name.Insecure}
	}
	return nil
}

// isLoopback tells whether host (with or without a port) is this machine. The
// name package knows 127.0.0.1, but neither the rest of 127.0.0.0/8 nor
// localhost without a port.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
