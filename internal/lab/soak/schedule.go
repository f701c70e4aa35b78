package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// kind is one way for things to go wrong.
type kind string

const (
	killDaemon kind = "buildkitd is killed"
	killStoker kind = "stoker is killed, and resumed"
	outage     kind = "the registry goes away"
	fullDisk   kind = "the disk fills up"
)

// event is something that goes wrong once so many images are on record.
type event struct {
	at   int
	kind kind
}

// margin is how many images are left at the least when the last event comes, so that the run cannot end before.
const margin = 10

// schedule draws what goes wrong when. It depends on the seed and the sizes alone.
func schedule(seed uint64, s sizes) []event {
	rng := rand.New(rand.NewPCG(seed, uint64(s.images)))
	var events []event
	for _, k := range []struct {
		kind  kind
		times int
	}{{killDaemon, s.daemonKills}, {killStoker, s.stokerKills}, {outage, s.outages}, {fullDisk, s.fullDisks}} {
		for range k.times {
			events = append(events, event{at: 1 + rng.IntN(s.images-margin), kind: k.kind})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return events
}
