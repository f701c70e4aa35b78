package report

import (
	"math"
	"slices"
)

// Median is the middle one of the values, or the mean of the two in the middle; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// Percentile is the smallest of the values that at least p percent of them do not exceed; 0 of
// none.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Medians sums up rounds, one row for each way in the order of their first appearance, with the
// median of each value and the use of the disk of the first round. A way that fell short in any round did so on the whole.
func Medians(rounds []Row) []Row {
	var rows []Row
	values := map[string]map[string][]float64{} // by way and key
	for _, round := range rounds {
		if values[round.Way] == nil {
			values[round.Way] = map[string][]float64{}
			rows = append(rows, Row{Way: round.Way, Ours: round.Ours, Values: map[string]float64{}, Use: round.Use})
		}
		for key, v := range round.Values {
			values[round.Way][key] = append(values[round.Way][key], v)
		}
		if round.Short != "" {
			i := slices.IndexFunc(rows, func(r Row) bool { return r.Way == round.Way })
			rows[i].Short = round.Short
		}
	}
	for _, row := range rows {
		for key, list := range values[row.Way] {
			row.Values[key] = Median(list)
		}
	}
	return rows
}
