package report

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/ledger"
)

// pastRuns are three runs, not in their order: one that stopped, one with nothing to do.
func pastRuns() []Seen {
	second := ended(record("out", 100, []string{"a", "b"}, entry("a", ledger.Built, 101), entry("b", ledger.Failed, 102)), 105, 8e9)
	second.Summary.Cache = &ledger.Cache{PeakBytes: 123_456_789_000}
	first := record("out/archive/2026-05-06T13-40-00Z", 0, []string{"a", "b"}, entry("a", ledger.Built, 30))
	third := ended(record("out/again", 200, []string{"a"}, entry("a", ledger.Skipped, 201)), 201, 0)
	third.Summary.Prune, third.Summary.ForecastPullBytes, third.Summary.PulledBytes = nil, nil, nil
	return []Seen{{Record: second}, {Record: first}, {Record: third}}
}

func TestHistoryText(t *testing.T) {
	want := `3 runs of 2026-05-06
began (UTC) built skip fail   took img/h median  pulled   swept    peak
05-06 12:00     1    0    0 30m00s    60  1m00s unknown unknown unknown ███████  out/archive/2026-05-06T13-40-00Z
05-06 13:40     1    0    1  5m00s    30  1m00s     2MB     8GB 123.5GB ███▌     out
05-06 15:20     0    1    0  1m00s     -      -       -       -       -          out/again
! 05-06 12:00, out/archive/2026-05-06T13-40-00Z: unknown, 1 of 2 jobs unfinished
`
	h := HistoryOf(pastRuns())
	if got := h.Text(0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What does not fit is cut off the directories.
	for width, last := range map[int]string{80: "███████", 100: "███████  …26-05-06T13-40-00Z"} {
		lines := strings.Split(h.Text(width), "\n")
		if !strings.HasSuffix(lines[2], last) {
			t.Errorf("%d wide: %s", width, lines[2])
		}
		for _, line := range lines[:5] {
			if n := ansi.StringWidth(line); n > width {
				t.Errorf("%d of %d: %s", n, width, line)
			}
		}
	}
}

func TestHistoryFormats(t *testing.T) {
	runs := pastRuns()
	runs[0].Dir = "o|ut,\n"
	h := HistoryOf(runs)
	text, err := h.CSV()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(lines) != 4 || lines[2][0] != "o|ut,\n" || strings.Join(lines[1][1:], " ") != "unknown 2026-05-06T12:00:00Z 2 1 0 0 0 1 1800 60 60     " ||
		strings.Join(lines[2][9:], " ") != "300 30 60 1000000 2000000 8000000000 123456789000 the cache" {
		t.Errorf("CSV %q, %v", lines, err)
	}
	md := h.Markdown()
	for _, want := range []string{"## Stoker: 3 runs of 2026-05-06\n", "| 2026-05-06 13:40 | finished | 2 | 1 | 0 | 1 | 5m00s | 30 | ███▌ | 1m00s | 2MB | 8GB | 123.5GB | o\\|ut, |\n"} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
	data, err := json.Marshal(h)
	var back struct {
		Runs []struct {
			Dir     string
			Seconds *float64 `json:"wall_clock_seconds"`
			Pulled  *int64   `json:"pull_bytes"`
			Rate    *float64 `json:"images_per_hour"`
		}
	}
	if err != nil || json.Unmarshal(data, &back) != nil || len(back.Runs) != 3 || *back.Runs[0].Seconds != 1800 || back.Runs[0].Pulled != nil || *back.Runs[1].Pulled != 1e6 || back.Runs[2].Rate != nil {
		t.Errorf("%s, %v", data, err)
	}
	if got := HistoryOf(nil); got.Title() != "0 runs" || strings.Count(got.Text(80), "\n") != 2 {
		t.Errorf("of no runs: %s", got.Text(80))
	}
}
