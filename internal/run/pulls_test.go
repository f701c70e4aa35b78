package run

import (
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// A budget holds beside what is pulled ahead, also where a pull ends while a cache is listed:
// what it has brought is in no list then.
func TestBudgetBesidePulls(t *testing.T) {
	const budget = 600 * mb
	for range 20 { // it shows in every fourth run
		inMemory(t, func(t *testing.T) {
			one, two := nodetest.New("one", 0), nodetest.New("two", 0)
			one.DeleteTakes, two.DeleteTakes = time.Second, time.Second
			s := newStage(t, 6, 5, one, two)
			s.Space.Budget, s.Space.Rates.Own, s.Workers, s.Order = budget, 50*mb, 1, OrderGiven
			s.comesLate(65*time.Second, nil)
			s.allBuilt(s.run(t.Context()), 1)
			for _, d := range []*nodetest.Daemon{one, two} {
				if d.Peak() > budget {
					t.Errorf("the cache of %s came to %d MB, with a budget of %d", d.Name(), d.Peak()/mb, int64(budget/mb))
				}
			}
		})
	}
}
