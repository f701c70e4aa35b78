package sweep

import "time"

// pace decides how many records the next slice removes. A call of BuildKit's has
// a price of its own, which grows with the cache, and one for each record: many
// small slices cost more in all, and large ones make builds wait. Both prices
// are learned from the calls so far.
type pace struct {
	limit time.Duration // how long a slice may take
	most  int           // records in a slice
	size  int           // of the next slice, in records
	calls line          // seconds by records
}

const (
	firstSlice   = 5
	largestSlice = 200
)

func newPace(limit time.Duration, most int) pace {
	return pace{limit: limit, most: most, size: firstSlice}
}

// adapt sets the next slice's size after one of n records. Where the call alone
// takes about as long as a slice may, smaller slices would only add more calls:
// the records then take a quarter of what the call does.
func (p *pace) adapt(n int, took time.Duration) {
	p.calls.add(float64(n), took.Seconds())
	most := min(2*p.size, p.most)
	call, record, known := p.calls.prices()
	switch forRecords := max(p.limit.Seconds()*3/4-call, call/4); {
	case !known && took > p.limit:
		most = p.size / 2
	case known && forRecords < record*float64(most):
		most = int(forRecords / record)
	}
	p.size = max(most, 1)
}

// line is a straight line through points, of which later ones weigh more.
type line struct {
	weight, x, y, xx, xy float64 // sums
	slope                float64
	known                bool
}

// fading is what a point still weighs after the next one.
const fading = 0.8

func (l *line) add(x, y float64) {
	l.weight = l.weight*fading + 1
	l.x = l.x*fading + x
	l.y = l.y*fading + y
	l.xx = l.xx*fading + x*x
	l.xy = l.xy*fading + x*y
	// Points close together do not tell the slope.
	if spread := l.weight*l.xx - l.x*l.x; spread > l.xx/100 {
		l.slope, l.known = (l.weight*l.xy-l.x*l.y)/spread, true
	}
}

// prices are the line's height at 0 and its slope, neither of them negative, if
// there were points enough to tell.
func (l *line) prices() (fixed, each float64, known bool) {
	each = min(max(l.slope, 0), l.y/l.x)
	return (l.y - each*l.x) / l.weight, each, l.known
}
