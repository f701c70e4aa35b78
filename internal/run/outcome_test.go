package run

import (
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// What is dead at the end and was left, since nobody needed the space, is told as that,
// on each of two nodes.
func TestDeadThatIsLeft(t *testing.T) {
	for _, policy := range []node.PrunePolicy{node.PruneAuto, node.PruneOff} {
		inMemory(t, func(t *testing.T) {
			one, two := nodetest.New("one", 9000*mb), nodetest.New("two", 9000*mb)
			s := newStage(t, 2, 3, one, two)
			s.Prune.Policy, s.Prune.Threshold = policy, 90
			sum := s.run(t.Context())
			s.allBuilt(sum, 1)
			left, dead := one.Bytes()+two.Bytes(), sum.Prune
			if dead.Left == nil || dead.LeftBytes != left || dead.DeadBytes != left || dead.LeftRecords == 0 || dead.DeadRecords != dead.LeftRecords || *sum.Cache.EndBytes != left {
				t.Errorf("%s: of %d bytes that are left: %+v %+v", policy, left, dead, dead.Left)
			}
		})
	}
}

// What was needed at least is of the jobs that ran, wherever they were thought to, and not
// told where it is not known.
func TestLeastOfAResumedRun(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 0), nodetest.New("two", 0)
		s := newFamilies(t, 2, 4, one, two)
		s.shares()
		s.Space.Budget, s.Workers, s.Order = 900*mb, 1, OrderGiven
		s.stopAfter(35 * time.Second)
		sum := s.run(t.Context())
		s.allBuilt(sum, 1)
		if sp := sum.Space; sp.LeastBytes == nil || *sp.LeastBytes < 300*mb || *sp.LeastBytes > sp.PeakBytes {
			t.Errorf("of heirs that take 300 MB each they say that is needed at least: %+v", sp)
		}
		if sum := s.run(t.Context()); sum.Space != nil && sum.Space.LeastBytes != nil {
			t.Errorf("with nothing built they say that is needed at least: %+v", sum.Space)
		}
	})
}
