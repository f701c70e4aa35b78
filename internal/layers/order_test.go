package layers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	digest "github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

// stack makes a chain of layers by their names, each of size bytes.
func stack(size int64, names ...string) Chain {
	var ls []Layer
	for _, n := range names {
		ls = append(ls, Layer{Digest: digest.FromString(n), Size: size})
	}
	return NewChain(names[len(names)-1], "", "", v1.Platform{}, ls)
}

func TestOrder(t *testing.T) {
	chains := []Chain{
		stack(1, "os", "small", "s1"),
		stack(10, "os2", "big", "b1"),
		stack(1, "alone"),
		stack(1, "os", "other", "o1"),
		stack(10, "os2", "big", "b2"),
		stack(1, "os", "small", "s2"),
		stack(1, "os", "other", "o2"),
		stack(1, "os", "other", "o3"),
	}
	// The largest shared subtree first; within os, what came first among equals.
	want := []int{1, 4, 0, 5, 3, 6, 7, 2}
	if got := Order(chains); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got := Order(nil); len(got) != 0 {
		t.Errorf("order of nothing: %v", got)
	}
}

// Whatever the list: each chain stands once in the order, those that share any
// layer stand together, and the order of the list decides nothing but ties.
func TestOrderKeepsSharersTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(rt, "chains")
		var chains []Chain
		for i := range n {
			os, env := rapid.IntRange(0, 2).Draw(rt, "os"), rapid.IntRange(0, 3).Draw(rt, "env")
			chains = append(chains, stack(int64(env+1), fmt.Sprint("os", os), fmt.Sprint("env", os, env), fmt.Sprint("own", i)))
		}
		order := Order(chains)
		sorted := slices.Sorted(slices.Values(order))
		for i, o := range sorted {
			if o != i || len(sorted) != n {
				rt.Fatalf("order %v is no permutation of %d", order, n)
			}
		}
		for depth := range 2 {
			closed := map[Key]bool{}
			var last Key
			for _, i := range order {
				k := chains[i].Key(depth)
				if k != last && closed[k] {
					rt.Fatalf("sharers of depth %d are apart in %v", depth, order)
				}
				last, closed[k] = k, true
			}
		}
	})
}

func BenchmarkOrder(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var distinct []Chain
	for i := range 2000 {
		distinct = append(distinct, stack(1000, "os", fmt.Sprint("env", i%40), fmt.Sprint("own", i)))
	}
	chains := make([]Chain, 100_000)
	for i := range chains {
		chains[i] = distinct[rng.IntN(len(distinct))]
	}
	b.ReportAllocs()
	for b.Loop() {
		Order(chains)
	}
}
