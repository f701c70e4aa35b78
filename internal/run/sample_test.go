package run

import (
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// What is drawn of a run begins with a forecast, and ends where the summary does.
func TestLastSampleIsOfTheEnd(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 2, 12, nodetest.New("one", 1500*mb))
		sum := s.run(t.Context())
		if expected := of[journal.Forecast](s); len(expected) != 1 || expected[0].Node != "one" || expected[0].Jobs != len(s.Plan.Jobs) || len(expected[0].Curve) != len(s.Plan.Jobs) {
			t.Errorf("it is told to be expected: %+v", expected)
		}
		samples := of[journal.Sampled](s)
		if len(samples) == 0 || samples[len(samples)-1].Cache == nil {
			t.Fatalf("the samples are %+v", samples)
		}
		last := samples[len(samples)-1]
		if c := last.Cache; last.Running != 0 || len(last.Waiting) != 0 || c.Live+c.Dead+c.Foreign+c.LeftOver != *sum.Cache.EndBytes {
			t.Errorf("the last sample is %+v, %+v, and the cache ended with %d bytes", last, *c, *sum.Cache.EndBytes)
		}
		if _, is := s.events[len(s.events)-2].(journal.Sampled); !is {
			t.Errorf("before the end comes %T", s.events[len(s.events)-2])
		}
	})
}
