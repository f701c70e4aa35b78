package builder

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/imageref"
)

// considerate asks a builder about images, but no registry that has refused one
// already since it has been asked too often. Where a question gets no answer in time, it
// tells a daemon that stands still from a registry that does.
type considerate struct {
	gateway.Client
	daemon func(context.Context) (answers bool)

	mu      sync.Mutex       // guards refused
	refused map[string]error // by registry
}

func newConsiderate(c gateway.Client, daemon func(context.Context) bool) *considerate {
	return &considerate{Client: c, daemon: daemon, refused: map[string]error{}}
}

// ResolveImageConfig implements the gateway's Client.
func (c *considerate) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	host := imageref.HostOf(ref)
	c.mu.Lock()
	refused := c.refused[host]
	c.mu.Unlock()
	if refused != nil {
		return "", "", nil, fmt.Errorf("it was not asked for, since %s asks for fewer requests: %w", host, refused)
	}
	resolved, d, config, err := c.Client.ResolveImageConfig(ctx, ref, opt)
	if err != nil {
		if errors.Is(context.Cause(ctx), ErrUnreachable) && !c.daemon(context.WithoutCancel(ctx)) {
			return "", "", nil, &SilentError{}
		}
		if class, _ := Classify(err); class == Throttled {
			c.mu.Lock()
			c.refused[host] = err
			c.mu.Unlock()
		}
	}
	return resolved, d, config, err
}
