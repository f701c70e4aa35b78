package report

import (
	"strings"
	"testing"
)

// What a table would take for a formula, and a terminal for an order, is neither; numbers stay.
func TestTextsInCSV(t *testing.T) {
	for text, want := range map[string]string{
		`=HYPERLINK("x")`: `'=HYPERLINK("x")`, "+1 image": "'+1 image", "-x": "'-x", "@sum": "'@sum", "\t=1": `'\t=1`, "\rx": `'\rx`,
		"-1.5": "-1.5", "1e9": "1e9", "": "", "a=b": "a=b", "a\x1b[2Jb\nc": "a\\x1b[2Jb\nc",
	} {
		if got := csvCell(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	r := shards()
	r.Jobs[0].Name = "=1+1"
	if text, err := r.CSV(); err != nil || !strings.Contains(text, "\n'=1+1,built,") {
		t.Errorf("%v %s", err, text)
	}
	runs := pastRuns()
	runs[0].Dir = "@out"
	if text, err := HistoryOf(runs).CSV(); err != nil || !strings.Contains(text, "\n'@out,") {
		t.Errorf("%v %s", err, text)
	}
}
