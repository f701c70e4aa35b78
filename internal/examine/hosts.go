package examine

import (
	"context"
	"fmt"
	"sync"

	"github.com/stoker-build/stoker/internal/registry"
)

// hosts are registries, and whether they answer: hundreds of questions to one that does
// not would each be waited for. The zero value is ready for use.
type hosts struct {
	mu    sync.Mutex
	state map[string]*hostState
}

type hostState struct {
	answered bool
	silent   int
	last     error
}

// After how many questions in vain a registry that never answered is asked no more.
const mostSilent = 2

// ask asks a registry one question in bounded time, unless it is known not to answer.
func (h *hosts) ask(ctx context.Context, host string, question func(context.Context) error) error {
	if err := h.givenUp(host); err != nil {
		return err
	}
	ctx, cancel := within(ctx, questionPatience)
	defer cancel()
	err := question(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("it was not told in time: %w", context.Cause(ctx))
	}
	h.note(host, err)
	return err
}

func (h *hosts) givenUp(host string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.state[host]; s != nil && !s.answered && s.silent >= mostSilent {
		return s.last
	}
	return nil
}

func (h *hosts) note(host string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == nil {
		h.state = map[string]*hostState{}
	}
	s := h.state[host]
	if s == nil {
		s = &hostState{}
		h.state[host] = s
	}
	if err == nil || registry.Answered(err) {
		s.answered = true
		return
	}
	s.silent++
	s.last = err
}
