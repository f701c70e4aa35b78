package space

import (
	"fmt"
	"math/rand/v2"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	digest "github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/layers"
)

// stack makes a chain of layers by their names, each of size compressed bytes.
func stack(size int64, names ...string) layers.Chain {
	var ls []layers.Layer
	for _, n := range names {
		ls = append(ls, layers.Layer{Digest: digest.FromString(n), Size: size})
	}
	return layers.NewChain(names[len(names)-1], "", "", v1.Platform{}, ls)
}

func bases(c ...layers.Chain) []layers.Chain { return c }

func TestBook(t *testing.T) {
	b := NewBook(Rates{PerByte: 2, Own: 100})
	first, second := bases(stack(10, "os", "env", "one")), bases(stack(10, "os", "env", "two"))
	if n := b.Need(first); n != 160 {
		t.Errorf("the first job needs %d, want 3 layers and its own: 160", n)
	}
	b.Start(1, first)
	if n := b.Need(second); n != 120 {
		t.Errorf("the second job needs %d while the first pulls what they share, want 120", n)
	}
	b.Start(2, second)
	if b.Reserved() != 280 || b.Running() != 2 {
		t.Errorf("reserved %d by %d jobs", b.Reserved(), b.Running())
	}
	b.Holds([]layers.Key{first[0].Key(0)})
	if b.Reserved() != 260 {
		t.Errorf("reserved %d after a layer arrived, want 260", b.Reserved())
	}
	b.Pulled(1)
	b.Used(1, 0.5)
	if b.Reserved() != 170 {
		t.Errorf("reserved %d after the first job pulled and exports, want 170", b.Reserved())
	}
	b.Done(1)
	b.Done(2)
	if b.Reserved() != 0 || b.Running() != 0 {
		t.Errorf("reserved %d by %d jobs at the end", b.Reserved(), b.Running())
	}
	if n := b.Need(second); n != 120 {
		t.Errorf("the second job needs %d after it failed, want its layer again: 120", n)
	}
}

func TestUnknownOwnSize(t *testing.T) {
	if n := NewBook(Rates{PerByte: 2}).Need(bases(stack(10, "a", "b"))); n != 40+20 {
		t.Errorf("need %d, want the layers and half of that: 60", n)
	}
}

func TestLimit(t *testing.T) {
	l := Limit{Low: 50, High: 100}
	if !l.Fits(40, 30, 30) || l.Fits(40, 30, 31) || l.Short(40, 30, 40) != 10 || l.Surplus(70) != 20 || l.Surplus(30) != 0 {
		t.Error("a limit does not add up")
	}
	if none := (Limit{}); !none.Fits(1, 1, 1<<60) || none.Surplus(1<<60) != 0 {
		t.Error("no limit must bound nothing")
	}
}

func TestSimulate(t *testing.T) {
	var jobs [][]layers.Chain
	for i := range 6 {
		jobs = append(jobs, bases(stack(10, "os", fmt.Sprint("env", i/3), fmt.Sprint("own", i))))
	}
	p := Plan{Jobs: jobs, Workers: 2, Rates: Rates{PerByte: 1, Own: 100}}
	f := Simulate(p)
	if f.PullBytes != 90 || f.SharedBytes != 90 || f.TotalBytes != 690 || f.PeakBytes != 690 || !f.Fits || f.Waits != 0 {
		t.Errorf("without a limit %+v", f)
	}
	// os, an env or two at the turn, two own layers and two jobs' own records.
	if f.LeastBytes != 10+20+20+200 || f.SmallestBytes != 10+10+10+100 {
		t.Errorf("least %d and smallest %d", f.LeastBytes, f.SmallestBytes)
	}
	p.Limit = Limit{Low: 200, High: 300}
	if f = Simulate(p); f.PeakBytes > 300 || f.PeakBytes < 200 || !f.Fits {
		t.Errorf("with room for two %+v", f)
	}
	p.Workers, p.Limit = 6, Limit{Low: 200, High: 300}
	if f = Simulate(p); f.Waits == 0 || f.PeakBytes > 300 {
		t.Errorf("six workers where two fit %+v", f)
	}
	p.Limit = Limit{Low: 50, High: 100}
	if f = Simulate(p); f.Fits {
		t.Errorf("too small a disk fits: %+v", f)
	}
}

// However the plan looks: where it fits, the limit is kept; removing never costs
// more than keeping; and the curve never lies above the peak.
func TestSimulateKeepsItsLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var jobs [][]layers.Chain
		for i := range rapid.IntRange(0, 40).Draw(rt, "jobs") {
			jobs = append(jobs, bases(stack(int64(rapid.IntRange(1, 20).Draw(rt, "size")), "os", fmt.Sprint("env", i/5), fmt.Sprint("own", i))))
		}
		p := Plan{Jobs: jobs, Workers: rapid.IntRange(1, 8).Draw(rt, "workers"), Rates: Rates{PerByte: 2, Own: int64(rapid.IntRange(1, 50).Draw(rt, "own"))}}
		free := Simulate(p)
		p.Limit.High = free.LeastBytes + int64(rapid.IntRange(0, 100).Draw(rt, "more"))
		p.Limit.Low = p.Limit.High * 3 / 4
		f := Simulate(p)
		if !f.Fits || f.PeakBytes > p.Limit.High {
			rt.Fatalf("peak %d above the limit %d, which is at least the least %d", f.PeakBytes, p.Limit.High, f.LeastBytes)
		}
		if f.PeakBytes > free.PeakBytes || f.SmallestBytes > f.LeastBytes {
			rt.Fatalf("%+v against %+v", f, free)
		}
		for _, v := range f.Curve {
			if v > f.PeakBytes {
				rt.Fatalf("curve %v above its peak %d", f.Curve, f.PeakBytes)
			}
		}
	})
}

func BenchmarkSimulate(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var distinct [][]layers.Chain
	for i := range 2000 {
		distinct = append(distinct, bases(stack(1000, "os", fmt.Sprint("env", i%40), fmt.Sprint("own", i))))
	}
	p := Plan{Workers: 8, Rates: Rates{PerByte: 2, Own: 1000}, Limit: Limit{Low: 1 << 20, High: 2 << 20}}
	chains := make([]layers.Chain, 100_000)
	for i := range chains {
		chains[i] = distinct[rng.IntN(len(distinct))][0]
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Jobs = p.Jobs[:0]
		for _, at := range layers.Order(chains) {
			p.Jobs = append(p.Jobs, chains[at:at+1])
		}
		Simulate(p)
	}
}
