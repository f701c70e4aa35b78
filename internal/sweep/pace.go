package sweep

import "time"

// pace decides how many records the next slice deletes, from how long the last
// one took. BuildKit holds its cache lock for up to 10 records at a time and
// looks at every record in each pass, so that small slices cost more in all and
// large ones make builds wait.
type pace struct {
	limit time.Duration // how long a slice may take
	size  int           // of the next slice, in records
}

const (
	firstSlice   = 5
	largestSlice = 200
)

func newPace(limit time.Duration) pace { return pace{limit: limit, size: firstSlice} }

// adapt sets the next slice's size: half as many as would have fitted after a
// slice that took too long, twice as many after one with much room to spare, and
// a quarter more after one with some. A call has a price of its own, which grows
// with the cache: slices that stayed small would hardly get anywhere.
func (p *pace) adapt(took time.Duration) {
	switch {
	case took > p.limit:
		p.size = max(1, int(int64(p.size)*int64(p.limit)/int64(took)/2))
	case took < p.limit/4:
		p.size = min(2*p.size, largestSlice)
	case took < p.limit*3/4:
		p.size = min(p.size+max(p.size/4, 1), largestSlice)
	}
}
