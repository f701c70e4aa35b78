package sweep

import (
	"math/rand/v2"
	"testing"
	"testing/quick"
	"time"
)

const pause = 250 * time.Millisecond

// slicesOf paces a number of slices, each of which takes as long as took says, and
// returns the sizes.
func slicesOf(n int, took func(size int) time.Duration) (sizes []int) {
	p := newPace(pause, largestSlice)
	for range n {
		sizes = append(sizes, p.size)
		p.adapt(p.size, took(p.size))
	}
	return sizes
}

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name       string
		call, each time.Duration
		min, max   int // size after a while
	}{
		{"records alone take time", 0, 2 * ms, 80, 110},
		{"the call alone takes time", 100 * ms, 0, largestSlice, largestSlice},
		{"both do", 60 * ms, 3 * ms, 35, 50},
		{"most is the call's", 150 * ms, 3 * ms, 10, 16},
		{"the call is dearer than a slice may be", 400 * ms, 3 * ms, 25, 45},
		{"one record is dearer than a slice may be", 0, time.Second, 1, 1},
		{"nothing takes time", 0, 0, largestSlice, largestSlice},
	}
	for _, tt := range tests {
		sizes := slicesOf(40, func(size int) time.Duration { return tt.call + time.Duration(size)*tt.each })
		for _, size := range sizes[20:] {
			if size < tt.min || size > tt.max {
				t.Errorf("%s: slices of %v, want %d to %d", tt.name, sizes, tt.min, tt.max)
				break
			}
		}
	}
}

// Whatever calls take, slices have at least one record, never too many, and grow
// to at most double.
func TestPaceKeepsItsBounds(t *testing.T) {
	check := func(took []uint32) bool {
		p := newPace(pause, largestSlice)
		for _, us := range took {
			before := p.size
			p.adapt(p.size, time.Duration(us)*time.Microsecond)
			if p.size < 1 || p.size > min(2*before, largestSlice) {
				return false
			}
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

// On a machine that is busy with builds, where the same call takes half as long
// again one time and not the next, most slices take no longer than they may, and still get
// somewhere. Of 300,000 such machines the worst had 59 late slices of 200.
func TestPaceOnABusyMachine(t *testing.T) {
	check := func(seed uint64, call, record uint16) bool {
		dice := rand.New(rand.NewPCG(seed, 1))
		price, each := time.Duration(call%100)*time.Millisecond, time.Duration(record%5000+500)*time.Microsecond
		late, removed, took := 0, 0, time.Duration(0)
		const calls = 200
		for i, size := range slicesOf(calls, func(size int) time.Duration {
			d := time.Duration(float64(price+time.Duration(size)*each) * (0.75 + dice.Float64()/2))
			if took += d; d > pause {
				late++
			}
			return d
		}) {
			if i >= calls/10 {
				removed += size
			}
		}
		ideal := float64(calls) * float64(pause*3/4-price) / float64(each)
		if late > calls/3 || float64(removed) < min(ideal, calls*largestSlice)/2 {
			t.Logf("a call %s, a record %s: %d of %d slices are late, %d records removed, at best %.0f", price, each, late, calls, removed, ideal)
			return false
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}
