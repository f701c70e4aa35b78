package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var sample = Report{
	Name:  "sample",
	Title: "A <sample>",
	Text:  "Two ways.",
	Columns: []Column{
		{Key: "wall", Title: "wall clock", Unit: Seconds, Chart: true},
		{Key: "peak", Title: "peak disk", Unit: Bytes},
	},
	Rows: []Row{
		{Way: "a|b", Values: map[string]float64{"wall": 41.26, "peak": 5.1e9}, Short: "8 of 40"},
		{Way: "stoker", Ours: true, Values: map[string]float64{"wall": 0.5}},
	},
	Notes:    []string{"a note"},
	Commands: []Command{{"stoker", "stoker build"}},
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Seconds, 0.0463, "46.3 ms"},
		{Seconds, 0.9999, "1000 ms"},
		{Seconds, 1.234, "1.23 s"},
		{Seconds, 33.44, "33.4 s"},
		{Seconds, 176.2, "176 s"},
		{Bytes, 0, "0 B"},
		{Bytes, 1023, "1.02 kB"},
		{Bytes, 960e6, "960 MB"},
		{Bytes, 999.7e6, "1.00 GB"},
		{Bytes, 5.123e9, "5.12 GB"},
		{Count, 40, "40"},
		{Ratio, 1.0456, "1.046"},
		{Percent, 4.321, "4.32 %"},
		{PerSecond, 12.04, "12.0"},
		{PerSecond, 9.996, "10.0"},
	} {
		if got := c.unit.Format(c.v); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	want := `| way | wall clock | peak disk |
| --- | ---: | ---: |
| a\|b | 41.3 s | 5.10 GB |
| stoker | 500 ms | - |
`
	if got := sample.Table(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestChart(t *testing.T) {
	chart := sample.Chart()
	wellFormed(t, chart)
	if got := strings.Count(chart, `rx="2"`); got != 2 {
		t.Errorf("%d bars, want 2: one column is charted, with two rows", got)
	}
	for _, want := range []string{"41.3 s (8 of 40)", "wall clock", ourColour, paleOpacity} {
		if !strings.Contains(chart, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(chart, "peak disk") {
		t.Error("a column is charted that should not be")
	}
}

func TestChartOfNothing(t *testing.T) {
	wellFormed(t, Report{Columns: sample.Columns, Rows: []Row{{Way: "none"}}}.Chart())
	wellFormed(t, Report{}.Chart())
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := sample.Write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "sample.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Rows[0].Values["wall"]; got != 41.26 {
		t.Errorf("wall clock %v", got)
	}
	text, err := os.ReadFile(filepath.Join(dir, "sample.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# A <sample>", sample.Table(), "(sample.svg)", "- a note", "stoker build"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
