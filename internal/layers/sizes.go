package layers

import (
	"context"
	"errors"
	"fmt"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/distribution/reference"
)

// Sizes asks registries what images' layers take there. It may be used by several
// goroutines.
type Sizes struct {
	opts Options

	mu        sync.Mutex
	resolvers map[string]*Resolver // by platform
	failures  map[string]int       // of registries that could not be reached
}

// After how many failures in a row a registry is not asked any more. It may be one
// that only the builder can reach, through a mirror.
const hopeless = 2

// NewSizes returns a Sizes; it does no I/O. Of the options, Platform is not used.
func NewSizes(o Options) *Sizes {
	return &Sizes{opts: o, resolvers: map[string]*Resolver{}, failures: map[string]int{}}
}

// Of returns the compressed sizes of an image's layers in bytes, bottom first. An
// empty platform is this machine's.
func (s *Sizes) Of(ctx context.Context, ref, platform string) ([]int64, error) {
	named, err := normalize(ref)
	if err != nil {
		return nil, err
	}
	host := reference.Domain(named)
	r, err := s.resolver(host, platform)
	if err != nil {
		return nil, err
	}
	chain, err := r.Resolve(ctx, ref)
	s.note(host, err)
	if err != nil {
		return nil, err
	}
	sizes := make([]int64, len(chain.Layers))
	for i, l := range chain.Layers {
		sizes[i] = l.Size
	}
	return sizes, nil
}

func (s *Sizes) resolver(host, platform string) (*Resolver, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures[host] >= hopeless {
		return nil, fmt.Errorf("%w: %s is not asked any more", ErrUnavailable, host)
	}
	if s.resolvers[platform] == nil {
		o := s.opts
		o.Platform = v1.Platform{}
		if platform != "" {
			p, err := v1.ParsePlatform(platform)
			if err != nil {
				return nil, err
			}
			o.Platform = *p
		}
		s.resolvers[platform] = NewResolver(o)
	}
	return s.resolvers[platform], nil
}

func (s *Sizes) note(host string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrDenied) {
		s.failures[host]++
		return
	}
	s.failures[host] = 0
}
