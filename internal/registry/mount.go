package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	digest "github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/layers"
)

// mountWorkers is how many layers of an image are mounted at once, of which nothing is moved.
const mountWorkers = 16

// target is a repository to which an image is pushed with as few requests as there can be:
// one for a token, one for each layer, two for the configuration, one for the manifest. What
// does not come through so is left to the library, which asks more and explains failures.
type target struct {
	client *http.Client
	to     name.Repository
}

// targetOf returns a repository into which layers of others can be mounted.
func (c *Client) targetOf(ctx context.Context, to name.Repository, from map[name.Repository]bool) (*target, error) {
	scopes := []string{to.Scope(transport.PushScope)}
	for repository := range from {
		if repository != to {
			scopes = append(scopes, repository.Scope(transport.PullScope))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	client, err := c.authorized(ctx, to, scopes)
	return &target{client, to}, err
}

// answer is what a registry has said to a request, without its content.
type answer struct {
	status int
	at     *url.URL // where an upload goes on; nil where it does not say
}

// begin begins an upload, or has a layer mounted.
func (t *target) begin(ctx context.Context, query url.Values) (answer, error) {
	at := t.address("blobs/uploads/")
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	return t.send(ctx, http.MethodPost, at, "", nil, http.StatusCreated, http.StatusAccepted)
}

// mount has a layer of another repository be in this one, too, and tells whether it is. An
// upload that the registry has begun instead is cancelled.
func (t *target) mount(ctx context.Context, d digest.Digest, from name.Repository) (is bool, err error) {
	said, err := t.begin(ctx, url.Values{"mount": {d.String()}, "from": {from.RepositoryStr()}})
	if err != nil {
		return false, err
	}
	if said.at != nil && said.status == http.StatusAccepted {
		(&upload{t.client, said.at.String()}).cancel(ctx)
	}
	return said.status == http.StatusCreated, nil
}

// isMountless tells that a repository's registry has not mounted a layer, and none before: with
// one that has, it may have been for that layer's sake, which may be gone or out of reach.
func (c *Client) isMountless(to name.Repository) bool {
	_, refused := c.mountless.Load(to.RegistryStr())
	_, mounts := c.mounted.Load(mounted{in: to.RegistryStr()})
	return refused && !mounts
}

// mounted is a layer in a repository, or, without a digest, in any of a registry.
type mounted struct {
	in     string
	digest digest.Digest
}

// mountLayer has a layer be mounted, in bounded time, if the registry may do that, and tells
// whether it is.
func (c *Client) mountLayer(ctx context.Context, to *target, d digest.Digest, from name.Repository) bool {
	if c.isMountless(to.to) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	is, err := to.mount(ctx, d, from)
	switch {
	case is:
		c.mounted.Store(mounted{to.to.Name(), d}, true)
		c.mounted.Store(mounted{in: to.to.RegistryStr()}, true)
	case err == nil:
		c.mountless.Store(to.to.RegistryStr(), true)
	}
	return is
}

// store puts something small into the repository.
func (t *target) store(ctx context.Context, content []byte) error {
	said, err := t.begin(ctx, nil)
	if err != nil {
		return err
	}
	if said.at == nil {
		return errors.New("the registry does not say where an upload goes on")
	}
	query := said.at.Query()
	query.Set("digest", digest.FromBytes(content).String())
	said.at.RawQuery = query.Encode()
	_, err = t.send(ctx, http.MethodPut, said.at.String(), "application/octet-stream", content, http.StatusCreated)
	return err
}

// put writes a manifest.
func (t *target) put(ctx context.Context, image assemble.Image, ref name.Reference) error {
	_, err := t.send(ctx, http.MethodPut, t.address("manifests/"+ref.Identifier()), image.MediaType, image.Manifest,
		http.StatusOK, http.StatusCreated, http.StatusAccepted)
	return err
}

func (t *target) address(below string) string {
	return fmt.Sprintf("%s://%s/v2/%s/%s", t.to.Scheme(), t.to.RegistryStr(), t.to.RepositoryStr(), below)
}

// send sends a request, and reads the answer to its end, so that the connection can be used again.
func (t *target) send(ctx context.Context, method, address, mediaType string, content []byte, want ...int) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if err := transport.CheckError(resp, want...); err != nil {
		return answer{}, err
	}
	at, _ := resp.Location()
	_, err = io.Copy(io.Discard, resp.Body)
	return answer{resp.StatusCode, at}, err
}

// quickly puts what an image consists of into a repository, and returns what it could not:
// layers, and whether the configuration is among it.
func (p *push) quickly(ctx context.Context, to name.Repository) (left []assemble.Layer, config bool) {
	places := make([]name.Repository, len(p.layers))
	from := map[name.Repository]bool{}
	for i, l := range p.layers {
		if at, is := p.client.holderOf(l, to.Registry); is {
			places[i], from[at] = at, true
		}
	}
	var err error
	if p.target, err = p.client.targetOf(ctx, to, from); err != nil {
		p.target = nil
		return p.layers, true
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(mountWorkers)
	group.Go(func() error {
		ctx, cancel := context.WithTimeout(ctx, p.client.patience)
		defer cancel()
		config = p.target.store(ctx, p.image.Config) != nil
		p.alive()
		return nil
	})
	for i, l := range p.layers {
		group.Go(func() error {
			if from[places[i]] && p.client.mountLayer(ctx, p.target, l.Descriptor.Digest, places[i]) {
				p.alive()
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			left = append(left, l)
			return nil
		})
	}
	_ = group.Wait()
	return left, config
}

// holderOf is the repository of a registry from which a layer can be mounted: its own, or, of a
// layer that is in another registry, one that it was put into.
func (c *Client) holderOf(l assemble.Layer, in name.Registry) (holder name.Repository, is bool) {
	ref, err := parse(l.From)
	if err != nil {
		return holder, false
	}
	at, err := c.locateAt(ref.Host(), ref)
	switch {
	case err != nil:
		return holder, false
	case at.Context().Registry == in:
		return at.Context(), true
	}
	put, is := c.holders.Load(mounted{in.RegistryStr(), l.Descriptor.Digest})
	if is {
		holder = put.(name.Repository)
	}
	return holder, is
}

// MountBase has the registry of a base image mount its layers, for a platform, into the
// repositories of tags that are in it, too. It only spares whoever pushes there then to
// upload them, so that what fails is not told.
func (c *Client) MountBase(ctx context.Context, tags []string, base, platform string) {
	ref, p, err := parseFor(base, platform)
	if err != nil {
		return
	}
	at, err := c.locate(base)
	if err != nil {
		return
	}
	var into []name.Repository
	for _, tag := range tags {
		to, err := c.locate(tag)
		if err == nil && to.Context().Registry == at.Context().Registry && to.Context() != at.Context() && !slices.Contains(into, to.Context()) {
			into = append(into, to.Context())
		}
	}
	if len(into) == 0 {
		return
	}
	chain, err := c.resolve(ctx, ref, p, sizesTries)
	if err != nil {
		return
	}
	for _, to := range into {
		c.mountAll(ctx, to, at.Context(), chain.Layers)
	}
}

// mountAll mounts those layers that were not mounted before.
func (c *Client) mountAll(ctx context.Context, to, from name.Repository, all []layers.Layer) {
	all = slices.DeleteFunc(slices.Clone(all), func(l layers.Layer) bool {
		_, before := c.mounted.Load(mounted{to.Name(), l.Digest})
		return before
	})
	if len(all) == 0 || c.isMountless(to) {
		return
	}
	target, err := c.targetOf(ctx, to, map[name.Repository]bool{from: true})
	if err != nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(mountWorkers)
	for _, l := range all {
		group.Go(func() error {
			c.mountLayer(ctx, target, l.Digest, from)
			return nil
		})
	}
	_ = group.Wait()
}
