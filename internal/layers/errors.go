package layers

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
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

// errGivenUp marks that the context ended first. The context's own errors are
// no sign of it: a dialer's timeout counts as context.DeadlineExceeded too.
var errGivenUp = errors.New("given up")

// explain turns an error of a registry into one that names the reference and
// says what to do, and that is one of the errors above.
func explain(ref string, err error) error {
	var status *transport.Error
	switch {
	case errors.Is(err, errAnswer), errors.Is(err, ErrNotFound):
		return fmt.Errorf("resolve %s: %w", ref, err)
	case !errors.As(err, &status):
		return fmt.Errorf("resolve %s: %w: check the registry's address and that it is running: %w", ref, ErrUnavailable, err)
	case status.StatusCode == http.StatusNotFound:
		return fmt.Errorf("resolve %s: %w: check the name and the tag: %w", ref, ErrNotFound, err)
	case status.StatusCode == http.StatusUnauthorized, status.StatusCode == http.StatusForbidden:
		return fmt.Errorf("resolve %s: %w: log in to the registry and check that the name exists: %w", ref, ErrDenied, err)
	case transientStatus(status.StatusCode):
		return fmt.Errorf("resolve %s: %w: try again later: %w", ref, ErrUnavailable, err)
	default:
		return fmt.Errorf("resolve %s: the registry refused the request: %w", ref, err)
	}
}

// transientStatus tells whether the same request may succeed later.
func transientStatus(code int) bool {
	return code >= http.StatusInternalServerError ||
		code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
}
