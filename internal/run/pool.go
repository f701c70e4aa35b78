package run

// pool is the workers of a node, which a full disk makes fewer for a while. It is not
// safe for concurrent use.
type pool struct {
	size int
	busy int
	last int // of the busy, those whose job is on record
	away int // that a full disk took
}

// free tells whether a worker is idle.
func (p *pool) free() bool { return p.busy < p.workers() }

// soon tells whether a worker is idle, or about to be.
func (p *pool) soon() bool { return p.busy-p.last < p.workers() }

// workers is how many there are now.
func (p *pool) workers() int { return p.size - p.away }

func (p *pool) take() { p.busy++ }
func (p *pool) give() { p.busy-- }

// shrink takes a worker away, unless it is the last: where all are busy, the next that
// ends its job is not given another.
func (p *pool) shrink() {
	if p.away < p.size-1 {
		p.away++
	}
}

// grow gives one back, and tells whether there was one to give.
func (p *pool) grow() bool {
	if p.away == 0 {
		return false
	}
	p.away--
	return true
}
