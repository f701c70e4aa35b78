package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// A few images, with a little of everything going wrong. The seed is in the log: put here, it makes the same schedule.
func TestSoak(t *testing.T) {
	labtest.Root(t, "a disk of its own")
	labtest.Tools(t)
	o := options{
		stoker: labtest.Stoker(t),
		seed:   uint64(time.Now().UnixNano()),
		nodes:  1,
		out:    t.Output(),
		sizes: sizes{
			images: 40,
			times:  map[kind]int{killDaemon: 2, hang: 1, killStoker: 2, outage: 1, fullDisk: 1},
			outage: 3 * time.Second, full: 3 * time.Second,
			disk: 256 * mb,
		},
	}
	if err := soakIn(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestSchedule(t *testing.T) {
	each := func(n int) map[kind]int {
		times := map[kind]int{}
		for _, k := range kinds {
			times[k] = n
		}
		return times
	}
	tests := map[string]sizes{
		"in full":           fullSize(1),
		"on nodes, in full": fullSize(2),
		"nothing":           {images: 40},
		"one place":         {images: margin + 1, times: each(3)},
		"crowded":           {images: margin + 2, times: each(100)},
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				for nodes := 1; nodes <= 2; nodes++ {
					checkSchedule(t, schedule(seed, nodes, s), nodes, s)
					if !slices.Equal(schedule(seed, nodes, s), schedule(seed, nodes, s)) {
						t.Fatalf("seed %d makes two schedules", seed)
					}
				}
			}
		})
	}
	if slices.Equal(schedule(1, 1, fullSize(1)), schedule(2, 1, fullSize(1))) {
		t.Error("two seeds make one schedule")
	}
}

func checkSchedule(t *testing.T, events []event, nodes int, s sizes) {
	t.Helper()
	counts := map[kind]int{}
	last := 1
	for _, e := range events {
		if e.at < last || e.at > s.images-margin {
			t.Fatalf("%s at %d, after an event at %d, of %d images", e, e.at, last, s.images)
		}
		if strikes := nodes > 1 && e.kind.strikesNode(); strikes != (e.node >= 0) || e.node >= nodes {
			t.Fatalf("%s strikes node %d of %d", e.kind, e.node, nodes)
		}
		last = e.at
		counts[e.kind]++
	}
	for _, k := range kinds {
		if counts[k] != s.times[k] {
			t.Errorf("%s %d times, want %d", k, counts[k], s.times[k])
		}
	}
}
