package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// kind is one way for things to go wrong.
type kind string

const (
	killDaemon kind = "buildkitd is killed"
	hang       kind = "buildkitd hangs for a moment"
	stall      kind = "buildkitd hangs for longer than an attempt may"
	freeze     kind = "buildkitd hangs for good"
	emptyNode  kind = "buildkitd is killed, and comes back with an empty cache"
	fullDisk   kind = "the disk fills up"
	killStoker kind = "stoker is killed, and resumed"
	outage     kind = "the registry goes away"
)

// kinds are all there are, in the order in which they are drawn.
var kinds = []kind{killDaemon, hang, stall, freeze, emptyNode, fullDisk, killStoker, outage}

// strikesNode tells whether it goes wrong with one of several daemons.
func (k kind) strikesNode() bool { return k != killStoker && k != outage }

// event is something that goes wrong once so many images are on record.
type event struct {
	at   int
	kind kind
	node int // with which it goes wrong; negative where there is one, or none has to do with it
}

func (e event) String() string {
	if e.node < 0 {
		return string(e.kind)
	}
	return fmt.Sprintf("%s (node %d)", e.kind, e.node+1)
}

// margin is how many images are left at the least when the last event comes, so that the run cannot end before.
const margin = 10

// schedule draws what goes wrong when, and on which of several nodes. It depends on the seed, the nodes and the sizes alone.
func schedule(seed uint64, nodes int, s sizes) []event {
	rng := rand.New(rand.NewPCG(seed, uint64(s.images)))
	var events []event
	for _, k := range kinds {
		for range s.times[k] {
			e := event{at: 1 + rng.IntN(s.images-margin), kind: k, node: -1}
			if nodes > 1 && k.strikesNode() {
				e.node = rng.IntN(nodes)
			}
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return events
}
