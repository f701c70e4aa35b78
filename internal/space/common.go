package space

import "sync"

// Common is what all nodes of a run have seen that vertices and jobs take, which is about
// the same on each: else one that makes anew what another has made would take it for small.
// Its methods may be called concurrently; a nil one knows nothing.
type Common struct {
	mu   sync.Mutex // guards what follows
	made map[int32]int64
	own  map[string]int64 // by the kinds of jobs
}

// NewCommon returns what nobody has seen anything of.
func NewCommon() *Common { return &Common{made: map[int32]int64{}, own: map[string]int64{}} }

func (c *Common) noteMade(v int32, bytes int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[v] = max(c.made[v], bytes)
}

func (c *Common) noteOwn(kind string, bytes int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own[kind] = max(c.own[kind], bytes)
}

func (c *Common) madeOf(v int32) int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[v]
}

func (c *Common) ownOf(kind string) int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.own[kind]
}
