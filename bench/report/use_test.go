package report

import (
	"strings"
	"testing"
)

// used is a report whose disk's use is drawn.
var used = Report{
	Title: "A <disk>",
	Limit: &Limit{Bytes: 1.4e9, Name: "a disk of 1.5 GB is full"},
	Rows: []Row{
		{Way: "no pruning", Values: map[string]float64{"built": 40, "wall": 74, "disk": 5.8e9}, Use: []Moment{{0, 0}, {37, 3e9}, {74, 5.8e9}}},
		{Way: "collector", Short: "built 8 of 40", Values: map[string]float64{"built": 8, "wall": 12}, Use: []Moment{{0, 0}, {12, 1.4e9}}},
		{Way: "stoker", Ours: true, Values: map[string]float64{"built": 40, "wall": 51, "disk": 1.3e9}, Use: []Moment{{0, 0}, {51, 1.3e9}}},
	},
}

func TestUseChart(t *testing.T) {
	chart := used.UseChart()
	wellFormed(t, chart)
	for _, want := range []string{
		"<title id=\"title\">A &lt;disk&gt;</title>", "prefers-color-scheme:dark", "a disk of 1.5 GB is full",
		"all 40 built in 74 s, peak 5.80 GB", "disk full, built 8 of 40", "all 40 built in 51 s, peak 1.30 GB",
		">6 GB<", ">1 GB<", ">0<", ">70 s<",
	} {
		if !strings.Contains(chart, want) {
			t.Errorf("%q is missing in\n%s", want, chart)
		}
	}
	// One cross in the key and one at the end of the curve; the dot likewise, and one area.
	for mark, want := range map[string]int{`class="cross"`: 2, `class="dot"`: 2, `class="area"`: 1} {
		if got := strings.Count(chart, mark); got != want {
			t.Errorf("%d times %s, want %d", got, mark, want)
		}
	}
}

// Every moment of every way has a place within the plot.
func TestUseIsWithinThePlot(t *testing.T) {
	p := used.plot()
	for _, row := range used.Rows {
		for _, m := range row.Use {
			if x, y := p.x(m.Seconds), p.y(m.Bytes); x < plotLeft || x > plotRight || y < float64(p.top) || y > float64(p.bottom) {
				t.Errorf("%s: %v is at %.1f, %.1f", row.Way, m, x, y)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for end, want := range map[float64]float64{7: 1, 9: 2, 30: 5, 74: 10, 140: 20, 1.4e9: 2e8, 5.8e9: 1e9, 13e9: 2e9} {
		if got := tick(end); got != want {
			t.Errorf("an axis to %g: lines every %g, want %g", end, got, want)
		}
	}
}

func TestThinKeepsPeaksAndTheEnd(t *testing.T) {
	var moments []Moment
	for i := range 10_000 {
		moments = append(moments, Moment{Seconds: float64(i) / 100, Bytes: 10})
	}
	moments[5555].Bytes = 99
	moments[9999].Bytes = 7
	thin := Thin(moments)
	peak := 0.0
	for _, m := range thin {
		peak = max(peak, m.Bytes)
	}
	if len(thin) > points+1 || peak != 99 || thin[len(thin)-1] != moments[9999] {
		t.Errorf("%d moments, peak %v, end %v", len(thin), peak, thin[len(thin)-1])
	}
	if few := moments[:points]; len(Thin(few)) != points {
		t.Error("few moments are thinned")
	}
}
