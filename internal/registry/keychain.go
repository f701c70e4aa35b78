package registry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
)

// keychain has the credentials of docker's configuration, which may name a program
// that knows them. One that does not answer is not waited for again, until it does:
// the library asks one at a time.
type keychain struct {
	silent atomic.Bool
}

// errCredentials is no reason to try again.
var errCredentials = errors.New("docker's credential helper does not answer")

// Resolve implements authn.Keychain.
func (k *keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext implements authn.ContextKeychain.
func (k *keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	failed := fmt.Errorf("%w for %s: see credsStore and credHelpers in docker's config.json", errCredentials, target.RegistryStr())
	if k.silent.Load() {
		return nil, failed
	}
	type answer struct {
		credentials authn.Authenticator
		err         error
	}
	answers := make(chan answer, 1)
	go func() {
		credentials, err := authn.DefaultKeychain.Resolve(target)
		answers <- answer{credentials, err}
		k.silent.Store(false)
	}()
	select {
	case a := <-answers:
		return a.credentials, a.err
	case <-ctx.Done():
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, ctx.Err()
	}
	k.silent.Store(true)
	return nil, failed
}
