package registry

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stoker-build/stoker/internal/credentials"
)

// CanPush makes sure that images may be pushed to a reference's repository: an upload is
// begun there, and cancelled. The error is ErrDenied or ErrNotFound where the registry
// says that they may not; else it did not say.
func (c *Client) CanPush(ctx context.Context, image string) error {
	ref, err := c.locate(image)
	if err != nil {
		return err
	}
	repository := ref.Context()
	upload, err := patiently(ctx, c, existsTries, func() (*upload, error) {
		ctx, cancel := context.WithTimeout(ctx, c.patience)
		defer cancel()
		return c.beginUpload(ctx, repository)
	})
	switch code := statusCode(err); {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case err != nil:
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.patience)
	defer cancel()
	upload.cancel(ctx)
	return nil
}

// upload is one that was begun.
type upload struct {
	client *http.Client
	// at is where it goes on; empty where the registry does not say.
	at string
}

// authorized returns a client with credentials for a registry.
func (c *Client) authorized(ctx context.Context, to name.Repository, scopes []string) (*http.Client, error) {
	auth, err := authn.Resolve(ctx, cmp.Or(c.options.Credentials, credentials.New()), to)
	if err != nil {
		return nil, err
	}
	through, err := transport.NewWithContext(ctx, to.Registry, auth, transport.NewUserAgent(c.transport, userAgent), scopes)
	return &http.Client{Transport: through}, err
}

// beginUpload begins one with credentials for pushing.
func (c *Client) beginUpload(ctx context.Context, to name.Repository) (*upload, error) {
	client, err := c.authorized(ctx, to, []string{to.Scope(transport.PushScope)})
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("%s://%s/v2/%s/blobs/uploads/", to.Scheme(), to.RegistryStr(), to.RepositoryStr())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := transport.CheckError(resp, http.StatusAccepted, http.StatusCreated); err != nil {
		return nil, err
	}
	begun := &upload{client: client}
	if at, err := resp.Location(); err == nil {
		begun.at = at.String()
	}
	return begun, nil
}

// cancel ends an upload, so that the registry keeps nothing of it. One that cannot be
// cancelled the registry forgets by itself.
func (u *upload) cancel(ctx context.Context) {
	if u.at == "" {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, u.at, nil)
	if err != nil {
		return
	}
	if resp, err := u.client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
