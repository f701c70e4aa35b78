// Package registry is all that is asked of registries: which images exist, what they
// are made of, how often they may be asked. It also gives images further tags. It reads
// credentials from docker's configuration. All that it asks has a bound in time.
package registry

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/util/flightcontrol"

	"github.com/stoker-build/stoker/internal/credentials"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/throttle"
)

// Options say how registries are asked. The zero value is usable.
type Options struct {
	// Insecure are registries (host or host:port) that are asked without TLS, as
	// those on loopback are. HTTPS is tried first everywhere. The library that asks
	// does the same for private IPv4 addresses.
	Insecure []string
	// Mirrors are asked of what images are made of, before a registry itself, by its
	// host: hosts, perhaps with a path.
	Mirrors map[string][]string
	// Credentials are those for registries; docker's own when nil.
	Credentials *credentials.Store
	// Chains is the directory where chains are kept between runs, and Files where it is
	// kept which files layers have; empty keeps none.
	Chains, Files string
}

// userAgent is what registries know this program by.
const userAgent = "stoker"

// Client asks registries. It stands for one run: what it was told of an image it does
// not ask again. It may be used by several goroutines.
//
// Large: a method for each thing that registries are asked.
type Client struct {
	options Options
	limits  *limits
	// transport is what all requests go through.
	transport http.RoundTripper
	puller    *remote.Puller
	pusher    *remote.Pusher
	store     layers.Store
	manifests manifests // that registries have sent
	mountless sync.Map  // registries that have not mounted a layer
	mounted   sync.Map  // layers that a repository has got from another, and registries that mount, by mounted
	holders   sync.Map  // a repository of a registry to which a layer was copied, by mounted
	copies    sync.Map  // whose turn it is to copy a layer to a registry, a chan struct{}, by mounted
	files     layers.FileStore
	found     flightcontrol.CachedGroup[layers.Chain] // by reference and platform
	// How long one registry is waited for, and the first pause between two tries.
	patience, pause time.Duration

	mu       sync.Mutex
	failures map[string]int // in a row, by registries asked for sizes
}

const (
	// How often a registry is asked that does not answer: whether an image exists, or to
	// give it a tag; what it is made of, where a person waits for that and may ask
	// again; its sizes, which only make forecasts better.
	existsTries, chainTries, sizesTries = 3, 2, 1
	// The first pause between two tries.
	defaultPause = 250 * time.Millisecond
	// How long one registry is waited for, each time.
	defaultPatience = 15 * time.Second
)

// New returns a client; it does no I/O.
func New(o Options) (*Client, error) {
	c := &Client{options: o, limits: &limits{next: remote.DefaultTransport, known: map[string]throttle.Limit{}}, store: layers.Store{Dir: o.Chains},
		files:    layers.FileStore{Dir: o.Files},
		patience: defaultPatience, pause: defaultPause, failures: map[string]int{}}
	c.transport = &pings{next: c.limits, known: map[string]pong{}}
	// The library's own retries are off: they would multiply with ours.
	options := []remote.Option{remote.WithAuthFromKeychain(cmp.Or(o.Credentials, credentials.New())), remote.WithUserAgent(userAgent),
		remote.WithTransport(c.transport), remote.WithRetryBackoff(remote.Backoff{Steps: 1})}
	var err error
	if c.puller, err = remote.NewPuller(options...); err != nil {
		return nil, err
	}
	c.pusher, err = remote.NewPusher(options...)
	return c, err
}

// Exists tells whether a tag is in its registry, and its digest there. An error
// means that the registry did not say, also after some tries, or that it denies
// access; it never means that the tag does not exist.
func (c *Client) Exists(ctx context.Context, tag string) (digest string, exists bool, err error) {
	ref, err := c.locate(tag)
	if err != nil {
		return "", false, err
	}
	digest, err = patiently(ctx, c, existsTries, func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, c.patience)
		defer cancel()
		desc, err := c.puller.Head(ctx, ref)
		if err != nil {
			return "", err
		}
		return desc.Digest.String(), nil
	})
	if statusCode(err) == http.StatusNotFound {
		return "", false, nil
	}
	return digest, err == nil, err
}

// AddTag has a tag stand for the image of a digest that is in the tag's
// repository already. Nothing but a manifest is written.
func (c *Client) AddTag(ctx context.Context, digest, tag string) error {
	to, err := c.locate(tag)
	if err != nil {
		return err
	}
	_, err = patiently(ctx, c, existsTries, func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, c.patience)
		defer cancel()
		image, err := c.puller.Get(ctx, to.Context().Digest(digest))
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, c.pusher.Put(ctx, to, image)
	})
	return err
}

// Ask asks for an image once, and returns what its registry says of how often it may
// be asked: nothing where it says nothing, or does not answer.
func (c *Client) Ask(ctx context.Context, image string) (said throttle.Answer) {
	ref, err := c.locate(image)
	if err != nil {
		return throttle.Answer{}
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	_, _ = c.puller.Head(listening(ctx, &said), ref)
	return said
}

// Limits are what registries have told of how often they may be asked, the last of
// each, by their hosts.
func (c *Client) Limits() map[string]throttle.Limit { return c.limits.all() }

// locate returns how an image is asked for at its registry.
func (c *Client) locate(text string) (name.Reference, error) {
	ref, err := parse(text)
	if err != nil {
		return nil, err
	}
	return c.locateAt(ref.Host(), ref)
}

func parse(text string) (imageref.Ref, error) {
	ref, err := imageref.Parse(text)
	if err != nil {
		return ref, fmt.Errorf("image reference %q: %w", text, err)
	}
	return ref, nil
}

// locateAt does the same at a host, which may have a path: a mirror.
func (c *Client) locateAt(place string, ref imageref.Ref) (name.Reference, error) {
	host, below, _ := strings.Cut(place, "/")
	var options []name.Option
	if slices.Contains(c.options.Insecure, host) || imageref.Loopback(host) {
		options = append(options, name.Insecure)
	}
	registry, err := name.NewRegistry(host, options...)
	if err != nil {
		return nil, err
	}
	repository := registry.Repo(below, ref.Path())
	if d := ref.Digest(); d != "" {
		return repository.Digest(d.String()), nil
	}
	return repository.Tag(ref.Tag()), nil
}

// patiently asks again and again while the failure may pass.
func patiently[T any](ctx context.Context, c *Client, tries uint, ask func() (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = c.pause
	return backoff.Retry(ctx, func() (T, error) {
		answer, err := ask()
		if err != nil && !mayPass(err) {
			return answer, backoff.Permanent(err)
		}
		return answer, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(tries))
}
