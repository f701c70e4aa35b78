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
		out:    t.Output(),
		sizes: sizes{
			images:      40,
			daemonKills: 2, stokerKills: 2, outages: 1, fullDisks: 1,
			outage: 3 * time.Second, full: 3 * time.Second,
			disk: 256 * mb,
		},
	}
	if err := soakIn(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestSchedule(t *testing.T) {
	tests := map[string]sizes{
		"in full":   fullSize,
		"nothing":   {images: 40},
		"one place": {images: margin + 1, daemonKills: 3, stokerKills: 3, outages: 3, fullDisks: 3},
		"crowded":   {images: margin + 2, daemonKills: 100, stokerKills: 1},
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				checkSchedule(t, schedule(seed, s), s)
				if !slices.Equal(schedule(seed, s), schedule(seed, s)) {
					t.Fatalf("seed %d makes two schedules", seed)
				}
			}
		})
	}
	if slices.Equal(schedule(1, fullSize), schedule(2, fullSize)) {
		t.Error("two seeds make one schedule")
	}
}

func checkSchedule(t *testing.T, events []event, s sizes) {
	t.Helper()
	counts := map[kind]int{}
	last := 1
	for _, e := range events {
		if e.at < last || e.at > s.images-margin {
			t.Fatalf("%s at %d, after an event at %d, of %d images", e.kind, e.at, last, s.images)
		}
		last = e.at
		counts[e.kind]++
	}
	for k, want := range map[kind]int{killDaemon: s.daemonKills, killStoker: s.stokerKills, outage: s.outages, fullDisk: s.fullDisks} {
		if counts[k] != want {
			t.Errorf("%s %d times, want %d", k, counts[k], want)
		}
	}
}
