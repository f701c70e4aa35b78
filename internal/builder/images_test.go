package builder

import (
	"context"
	"errors"
	"testing"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
)

// blackHole is a builder whose registry never answers.
type blackHole struct {
	gateway.Client
	asked chan string
}

func (b blackHole) ResolveImageConfig(ctx context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	b.asked <- ref
	<-ctx.Done()
	return "", "", nil, context.Cause(ctx)
}

// A registry that has answered nothing is given up after a few images, by those
// that wait already, too; once a frontend got an answer from it, it is asked again.
func TestRegistryIsGivenUp(t *testing.T) {
	m, hole := newImages(), blackHole{asked: make(chan string, 10)}
	waiting := make(chan error)
	go func() {
		_, err := m.resolve(t.Context(), hole, "r.example/waiting:1", sourceresolver.Opt{})
		waiting <- err
	}()
	<-hole.asked
	for range hopelessHost {
		if err := m.reachable("r.example/another:1"); err != nil {
			t.Errorf("given up too early: %s", err)
		}
		m.note("r.example/failed:1", errors.New("connection refused"))
	}
	if err := <-waiting; !errors.Is(err, ErrUnreachable) {
		t.Errorf("who waits is told %v", err)
	}
	if _, err := m.resolve(t.Context(), hole, "r.example/more:1", sourceresolver.Opt{}); !errors.Is(err, ErrUnreachable) || len(hole.asked) > 0 {
		t.Errorf("it is asked again: %v", err)
	}
	if err := m.reachable("other.example/a:1"); err != nil {
		t.Errorf("another registry is given up: %s", err)
	}
	m.answers("r.example/a:1")
	if err := m.reachable("r.example/more:1"); err != nil {
		t.Errorf("it answers, and is not asked: %s", err)
	}
}

// A question ends with the last who asks it, which says nothing of the registry: an
// interrupted run does not wait for one that is silent.
func TestQuestionEndsWithItsAskers(t *testing.T) {
	m, hole := newImages(), blackHole{asked: make(chan string, 10)}
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-hole.asked
		leave()
	}()
	for range hopelessHost {
		if _, err := m.resolve(ctx, hole, "r.example/a:1", sourceresolver.Opt{}); !errors.Is(err, context.Canceled) {
			t.Errorf("who left is told %v", err)
		}
	}
	if err := m.reachable("r.example/a:1"); err != nil {
		t.Errorf("a registry that nobody waited for is given up: %s", err)
	}
}
