package report

import (
	"reflect"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 2, 9}, 3},
	} {
		given := slices.Clone(c.values)
		if got := Median(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("the values were changed: %v", c.values)
		}
	}
}

func TestPercentile(t *testing.T) {
	var hundred []float64
	for i := 100; i >= 1; i-- {
		hundred = append(hundred, float64(i))
	}
	for _, c := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 50, 0},
		{hundred, 0, 1},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{[]float64{1, 2, 3}, 50, 2},
		{[]float64{1, 2, 3}, 99, 3},
	} {
		if got := Percentile(c.values, c.p); got != c.want {
			t.Errorf("%v of %d values: %v, want %v", c.p, len(c.values), got, c.want)
		}
	}
}

func TestMedians(t *testing.T) {
	row := func(way string, wall float64, short string) Row {
		return Row{Way: way, Ours: way == "b", Values: map[string]float64{"wall": wall}, Short: short}
	}
	got := Medians([]Row{row("b", 3, ""), row("a", 9, ""), row("a", 5, "1 of 2"), row("b", 1, ""), row("a", 6, ""), row("b", 2, "")})
	want := []Row{row("b", 2, ""), row("a", 6, "1 of 2")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
