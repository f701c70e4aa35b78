// Package registry asks registries which images exist, and gives images further
// tags. It reads credentials from docker's configuration.
package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stoker-build/stoker/internal/credentials"
	"github.com/stoker-build/stoker/internal/throttle"
)

// Client asks registries. It may be used concurrently.
type Client struct {
	insecure []string
	keychain authn.Keychain
	puller   *remote.Puller
	retries  uint
	pause    time.Duration
}

const (
	// How often a registry is asked that does not answer.
	defaultTries = 3
	// The first pause between two tries.
	defaultPause = 250 * time.Millisecond
	// How long one answer may take.
	answerTimeout = 15 * time.Second
)

// New returns a client that talks to the insecure hosts without TLS, as it does
// to loopback addresses.
func New(insecure []string) (*Client, error) {
	// The library's own retries are off: they would multiply with ours.
	keychain := credentials.New()
	puller, err := remote.NewPuller(remote.WithAuthFromKeychain(keychain),
		remote.WithUserAgent("stoker"), remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
	if err != nil {
		return nil, err
	}
	return &Client{insecure: insecure, keychain: keychain, puller: puller, retries: defaultTries, pause: defaultPause}, nil
}

// Reference parses an image reference, marked so that loopback and insecure
// registries are talked to without TLS.
func (c *Client) Reference(ref string) (name.Reference, error) {
	parsed, err := name.ParseReference(ref, name.WeakValidation)
	if err != nil {
		return nil, err
	}
	if slices.Contains(c.insecure, parsed.Context().RegistryStr()) {
		return name.ParseReference(ref, name.WeakValidation, name.Insecure)
	}
	return parsed, nil
}

// Exists tells whether a tag is in its registry, and its digest there. An error
// means that the registry did not say, also after some tries, or that it denies
// access; it never means that the tag does not exist.
func (c *Client) Exists(ctx context.Context, tag string) (digest string, exists bool, err error) {
	ref, err := c.Reference(tag)
	if err != nil {
		return "", false, err
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = c.pause
	ask := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		desc, err := c.puller.Head(ctx, ref)
		if err != nil {
			if code := statusCode(err); code == http.StatusNotFound || code == http.StatusUnauthorized || code == http.StatusForbidden {
				return "", backoff.Permanent(err)
			}
			return "", err
		}
		return desc.Digest.String(), nil
	}
	digest, err = backoff.Retry(ctx, ask, backoff.WithBackOff(pauses), backoff.WithMaxTries(c.retries))
	if statusCode(err) == http.StatusNotFound {
		return "", false, nil
	}
	return digest, err == nil, err
}

// SameRepository tells whether two references are of one repository.
func (c *Client) SameRepository(a, b string) bool {
	one, err := c.Reference(a)
	if err != nil {
		return false
	}
	other, err := c.Reference(b)
	return err == nil && one.Context().Name() == other.Context().Name()
}

// AddTag has a tag stand for the image of a digest that is in the tag's
// repository already. Nothing but a manifest is written.
func (c *Client) AddTag(ctx context.Context, digest, tag string) error {
	to, err := c.Reference(tag)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(c.keychain),
		remote.WithUserAgent("stoker"), remote.WithRetryBackoff(remote.Backoff{Steps: int(c.retries), Duration: c.pause, Factor: 2})}
	image, err := remote.Get(to.Context().Digest(digest), options...)
	if err != nil {
		return err
	}
	return remote.Put(to, image, options...)
}

// Ask asks for an image once, and returns what its registry says of how often it may
// be asked: nothing where it says nothing, or does not answer.
func (c *Client) Ask(ctx context.Context, image string) (said throttle.Answer) {
	ref, err := c.Reference(image)
	if err != nil {
		return throttle.Answer{}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	reading := roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := remote.DefaultTransport.RoundTrip(req)
		if err == nil {
			said.Add(resp, time.Now())
		}
		return resp, err
	})
	_, _ = remote.Head(ref, remote.WithContext(ctx), remote.WithTransport(reading), remote.WithAuthFromKeychain(c.keychain),
		remote.WithUserAgent("stoker"), remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
	return said
}

// statusCode returns the HTTP status that a registry answered with; 0 for none.
func statusCode(err error) int {
	var t *transport.Error
	if errors.As(err, &t) {
		return t.StatusCode
	}
	return 0
}
