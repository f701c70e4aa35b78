package sweep

import (
	"testing"
	"testing/quick"
	"time"
)

func TestPace(t *testing.T) {
	tests := []struct {
		name string
		size int
		took time.Duration
		want int
	}{
		{"much room", 10, 10 * time.Millisecond, 20},
		{"some room", 10, 150 * time.Millisecond, 12},
		{"some room for one more", 1, 150 * time.Millisecond, 2},
		{"hardly any room", 10, 200 * time.Millisecond, 10},
		{"too long", 100, 500 * time.Millisecond, 25},
		{"far too long", 10, time.Hour, 1},
		{"never more than the largest", largestSlice, 0, largestSlice},
	}
	for _, tt := range tests {
		p := pace{limit: 250 * time.Millisecond, size: tt.size}
		if p.adapt(tt.took); p.size != tt.want {
			t.Errorf("%s: %d records after %d in %s, want %d", tt.name, p.size, tt.size, tt.took, tt.want)
		}
	}
}

// Where a record takes a certain time, slices soon fit into the pause and use a
// fair part of it.
func TestPaceSettles(t *testing.T) {
	check := func(perRecord uint16) bool {
		each := time.Duration(perRecord%2000+50) * time.Microsecond
		p := newPace(250 * time.Millisecond)
		for range 20 {
			p.adapt(time.Duration(p.size) * each)
		}
		took := time.Duration(p.size) * each
		return took <= p.limit && (took > p.limit/8 || p.size == largestSlice)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

// Where a call alone takes half of the pause, slices still grow.
func TestPaceOutgrowsThePriceOfACall(t *testing.T) {
	p := newPace(250 * time.Millisecond)
	for range 20 {
		p.adapt(125*time.Millisecond + time.Duration(p.size)*time.Millisecond)
	}
	if p.size < 50 {
		t.Errorf("slices of %d records", p.size)
	}
}
