package main

import (
	"fmt"
	"slices"

	"github.com/stoker-build/stoker/bench/report"
)

// inTurns measures each of some ways in several rounds, the first of which is 1. The way
// that goes first goes last in the next round.
func inTurns[W any](bench string, ways []W, rounds int, name func(W) string, measure func(way W, round int) (report.Row, error)) (rows []report.Row, err error) {
	ways = slices.Clone(ways)
	for round := 1; round <= rounds; round++ {
		for _, w := range ways {
			row, err := measure(w, round)
			if err != nil {
				return rows, fmt.Errorf("%s: %w", name(w), err)
			}
			say("%s: round %d, %s: %.1f s", bench, round, row.Way, row.Values["wall"])
			rows = append(rows, row)
		}
		slices.Reverse(ways)
	}
	return rows, nil
}
