package registry

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stoker-build/stoker/internal/credentials"
	"github.com/stoker-build/stoker/internal/layers"
)

// What Resolve's errors are, to be told apart with errors.Is. An error that is
// none of these, and no context error, is a reference or an answer that makes
// no sense.
var (
	// ErrNotFound: the registry has no such repository, tag or platform.
	ErrNotFound = errors.New("image not found")
	// ErrDenied: the registry asks for other credentials. Docker Hub answers so
	// for repositories that do not exist, too.
	ErrDenied = errors.New("access denied")
	// ErrUnavailable: the registry could not be reached, was failing or limited
	// the rate, and went on so through all tries. Asking later may succeed.
	ErrUnavailable = errors.New("registry unavailable")
)

// explain turns an error of a registry into one that names the reference and
// says what to do, and that is one of the errors above.
func explain(ref string, err error) error {
	code := statusCode(err)
	switch {
	case errors.Is(err, layers.ErrManifest), errors.Is(err, ErrNotFound), errors.Is(err, credentials.ErrSilent):
		return fmt.Errorf("resolve %s: %w", ref, err)
	case code == 0:
		return fmt.Errorf("resolve %s: %w: check the registry's address and that it is running: %w", ref, ErrUnavailable, err)
	case code == http.StatusNotFound:
		return fmt.Errorf("resolve %s: %w: check the name and the tag: %w", ref, ErrNotFound, err)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("resolve %s: %w: log in to the registry and check that the name exists: %w", ref, ErrDenied, err)
	case mayPass(err):
		return fmt.Errorf("resolve %s: %w: try again later: %w", ref, ErrUnavailable, err)
	default:
		return fmt.Errorf("resolve %s: the registry refused the request: %w", ref, err)
	}
}

// mayPass tells whether the same request may succeed later: a registry that fails, is
// asked too often or does not answer at all is no answer.
func mayPass(err error) bool {
	if errors.Is(err, layers.ErrManifest) || errors.Is(err, ErrNotFound) || errors.Is(err, credentials.ErrSilent) {
		return false
	}
	code := statusCode(err)
	return code == 0 || code >= http.StatusInternalServerError ||
		code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
}

// Answered tells whether a registry has answered with an error, and not failed to answer.
func Answered(err error) bool { return statusCode(err) != 0 }

// statusCode returns the HTTP status that a registry answered with; 0 for none.
func statusCode(err error) int {
	var t *transport.Error
	if errors.As(err, &t) {
		return t.StatusCode
	}
	return 0
}
