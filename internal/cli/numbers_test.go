package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/show"
)

// checkNumbers makes sure that what a run tells of itself is told alike by its record, its
// metrics in a file, its page, stoker status, and the plain text that it wrote.
func (w *workbench) checkNumbers(metrics, plain string) {
	w.t.Helper()
	s := w.summary()
	size := bytesize.Text(s.Prune.ReclaimedBytes)
	of := metricsOf(w.t, w.read(metrics))

	var status show.Status
	_, text := runStoker(w.t.Context(), "status", "--format", "json", w.path("out"))
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		w.t.Fatalf("%v\n%s", err, text)
	}
	told := map[string]int{"built": status.Built, "skipped": status.Skipped, "failed": status.Failed, "unfinished": status.Unfinished, "total": status.Total, "reclaimed": int(status.Reclaimed)}
	record := map[string]int{"built": s.Built, "skipped": s.Skipped, "failed": s.Failed, "unfinished": s.Unfinished, "total": s.Total, "reclaimed": int(s.Prune.ReclaimedBytes)}
	measured := map[string]int{
		"built": of(`stoker_jobs{.*"built"}`), "skipped": of(`stoker_jobs{.*"skipped"}`), "failed": of(`stoker_jobs{.*"failed"}`), "unfinished": of(`stoker_jobs{.*"unfinished"}`),
		"total": of(`stoker_jobs_planned`), "reclaimed": of(`stoker_sweep_reclaimed_bytes_total{.*}`),
	}
	if !maps.Equal(told, record) || !maps.Equal(measured, record) {
		w.t.Errorf("the record has %v\nstatus has     %v\nmetrics have   %v", record, told, measured)
	}
	p := s.Prune
	more := []int{s.Retried, p.ReclaimedRecords, p.Slices, p.RefusedRecords, p.LiveRemovedRecords}
	if got := []int{of(`stoker_jobs_retried_total`), of(`stoker_sweep_reclaimed_records_total{.*}`), of(`stoker_sweep_slices_total{.*}`), of(`stoker_sweep_refused_records_total{.*}`), of(`stoker_sweep_live_removed_records_total{.*}`)}; !slices.Equal(got, more) {
		w.t.Errorf("of retried jobs, of records reclaimed, slices, records refused and live ones removed, the record has %d, metrics have %d", more, got)
	}

	page := wordsOf(w.t, w.read("out/report.html"))
	for where, wants := range map[string][]string{
		page:  {fmt.Sprintf("%d of %d images are there", s.Built+s.Skipped, s.Total), fmt.Sprintf(" built %d failed %d ", s.Built, s.Failed), " of cache swept " + size + " "},
		plain: {fmt.Sprintf("%d of %d images built", s.Built, s.Total), fmt.Sprintf("%d failed", s.Failed), fmt.Sprintf("%d jobs retried", s.Retried), size + " reclaimed"},
	} {
		for _, want := range wants {
			if !strings.Contains(where, want) {
				w.t.Errorf("%q is not in\n%s", want, where)
			}
		}
	}
}

// metricsOf adds up the numbers in a text of metrics whose name matches.
func metricsOf(t *testing.T, text string) func(name string) int {
	return func(name string) int {
		t.Helper()
		found := regexp.MustCompile(`(?m)^`+name+` (\S+)$`).FindAllStringSubmatch(text, -1)
		if found == nil {
			t.Fatalf("there is no %s in\n%s", name, text)
		}
		sum := 0.0
		for _, number := range found {
			n, err := strconv.ParseFloat(number[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		return int(sum)
	}
}

// wordsOf is what a page says, a space between its elements.
func wordsOf(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "script" && node.Parent.Data != "style" {
			words = append(words, strings.Fields(node.Data)...)
		}
	}
	return strings.Join(words, " ")
}
