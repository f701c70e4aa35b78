package ledger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.FixedZone("", 3600))

func ptr(s string) *string { return &s }

func entries() []Entry {
	return []Entry{
		{Name: "a", Status: Built, DurationSeconds: 10, AttemptCount: 1},
		{Name: "b", Status: Built, DurationSeconds: 30, AttemptCount: 2},
		{Name: "c", Status: Skipped, SkipReason: ptr("remote_exists"), DurationSeconds: 0.5},
		{Name: "d", Status: Failed, Error: ptr("exit code: 3"), DurationSeconds: 20, AttemptCount: 3},
		{Name: "e", Status: Built, DurationSeconds: 20, AttemptCount: 1},
		{Name: "f", Status: Built, DurationSeconds: 60, AttemptCount: 1},
	}
}

func TestSummarize(t *testing.T) {
	all := entries()
	for i := range all {
		all[i].Time = Time{start.Add(time.Minute)}
		all[i].StartedAt, all[i].FinishedAt = Time{start.Add(time.Minute)}, Time{start.Add(2 * time.Minute)}
	}
	s := Summarize(all, 8, start, start.Add(2*time.Minute))
	got := []float64{float64(s.Total), float64(s.Built), float64(s.Skipped), float64(s.Failed), float64(s.Unfinished), float64(s.Retried),
		s.WallClockSeconds, s.CumulativeSeconds, s.AverageSeconds, s.MedianSeconds, s.MaxSeconds, s.ImagesPerHour}
	want := []float64{8, 4, 1, 1, 2, 2, 120, 140.5, 30, 25, 60, 240}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("figure %d is %v, want %v", i, got[i], want[i])
		}
	}
	if s.Slowest[0].Name != "f" || s.Slowest[1].Name != "b" || s.SkipReasons["remote_exists"] != 1 || s.FailedBuilds[0].Error != "exit code: 3" {
		t.Errorf("summary %+v", s)
	}
	if page := s.Markdown(true, ""); !strings.Contains(page, "\n1 tag exists already: `--force` builds it again; `{{.GraphHash}}` in a tag tells versions apart\n") {
		t.Errorf("nobody sees why a job was skipped:\n%s", page)
	}
	s.TagsHashed = true
	if text := s.TagsExist(); text != "1 tag exists already: --force builds it again" {
		t.Errorf("of tags that have the hash: %s", text)
	}
	for _, i := range []int{0, 1, 2} { // two were built by an earlier run, and one skipped
		all[i].Time, all[i].StartedAt = Time{start.Add(-time.Hour)}, Time{start.Add(-time.Hour)}
	}
	s = Summarize(all, 8, start, start.Add(2*time.Minute))
	if total, built, skipped := s.Own(); s.Built != 4 || s.Skipped != 1 || total != 5 || built != 2 || skipped != 0 || s.ImagesPerHour != 120 {
		t.Errorf("with jobs of an earlier run: %+v", s)
	}
	got, want = []float64{float64(s.Retried), s.CumulativeSeconds, s.AverageSeconds, s.MedianSeconds, s.MaxSeconds, float64(len(s.Slowest))}, []float64{1, 100, 40, 40, 60, 2}
	if !slices.Equal(got, want) {
		t.Errorf("the figures of this run alone are %v, want %v", got, want)
	}
	if text := s.TagsExist(); text != "" {
		t.Errorf("of a job that an earlier run skipped: %s", text)
	}
	if empty := Summarize(nil, 0, start, start); empty.MedianSeconds != 0 || empty.ImagesPerHour != 0 {
		t.Errorf("summary of nothing: %+v", empty)
	}
}

// The page has a row about what bounds the space where that says something.
func TestMarkdownOfSpace(t *testing.T) {
	for peak, want := range map[int64]bool{79: false, 80: true, 0: false} {
		s := Summary{Space: &Space{Bound: "the disk", PeakBytes: peak << 20, HighBytes: 100 << 20}}
		if got := s.Markdown(true, ""); strings.Contains(got, "| Peak of the disk |") != want {
			t.Errorf("with a peak of %d%%: %s", peak, got)
		}
	}
}

func TestLedger(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "out")
	l, _ := begin(t, dir, Refuse, PlanID{})
	log, err := l.CreateLog("d", 3)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = log.WriteString(strings.Repeat("noise\n", 10000) + "```\nthe reason\n\n")
	_ = log.Close()
	for _, e := range entries() {
		if e.Status == Failed {
			e.LogPath = ptr(log.Name())
		}
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Event([]byte(`{"type":"x"}`)); err != nil {
		t.Fatal(err)
	}
	s, err := l.Finish(Summarize(l.Entries(), 6, start, start.Add(time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tell(s.Markdown(true, "")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tail := s.FailedBuilds[0].LogTail
	if len(tail) != tailLines || tail[len(tail)-1] != "the reason" {
		t.Errorf("log tail %q", tail)
	}
	markdown, err := os.ReadFile(filepath.Join(dir, MarkdownFile))
	if err != nil || !strings.Contains(string(markdown), "5 of 6 images, 1 failed") || !strings.Contains(string(markdown), "````text") {
		t.Errorf("markdown (%v):\n%s", err, markdown)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil || strings.Count(string(manifest), "\n") != 6 {
		t.Errorf("manifest (%v):\n%s", err, manifest)
	}
}

func TestAnEarlierRunIsArchived(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		l, _ := begin(t, dir, Refuse, PlanID{})
		if err := l.Add(Entry{Name: string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Finish(Summary{}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		ManifestFile: `"name":"c"`,
		filepath.Join(ArchiveDir, "2026-01-01T11-00-00Z", ManifestFile):   `"name":"a"`,
		filepath.Join(ArchiveDir, "2026-01-01T11-00-00Z-2", ManifestFile): `"name":"b"`,
	} {
		if data, err := os.ReadFile(filepath.Join(dir, path)); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %v %s", path, err, data)
		}
	}
}

func TestTime(t *testing.T) {
	data, err := json.Marshal([]Time{{start.Add(1234567)}, {}})
	if err != nil || string(data) != `["2026-01-01T11:00:00.001Z",null]` {
		t.Fatalf("%s %v", data, err)
	}
	var back []Time
	if err := json.Unmarshal(data, &back); err != nil || !back[1].IsZero() || back[0].Sub(start) != time.Millisecond {
		t.Errorf("%v %v", back, err)
	}
}
