package report

import (
	"math"
	"strconv"
)

// Unit says what a value counts.
type Unit string

// The units.
const (
	Seconds   Unit = "seconds"
	Bytes     Unit = "bytes"
	Count     Unit = "count"
	Ratio     Unit = "ratio"
	PerSecond Unit = "per second"
	Percent   Unit = "percent"
)

// Format writes a value for people, to three digits.
func (u Unit) Format(v float64) string {
	switch u {
	case Seconds:
		if v < 1 {
			return digits(v*1000) + " ms"
		}
		return digits(v) + " s"
	case Bytes:
		return size(v)
	case Count:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case Ratio:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case Percent:
		return digits(v) + " %"
	default:
		return digits(v)
	}
}

// size writes bytes in the largest decimal unit that they fill.
func size(v float64) string {
	if v < 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " B"
	}
	names := []string{"kB", "MB", "GB", "TB"}
	for v /= 1000; v >= 999.5 && len(names) > 1; v /= 1000 {
		names = names[1:]
	}
	return digits(v) + " " + names[0]
}

// digits writes a number with as many decimals as make up three digits.
func digits(v float64) string {
	decimals := 0
	for limit := 99.95; decimals < 2 && math.Abs(v) < limit; limit /= 10 {
		decimals++
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}
