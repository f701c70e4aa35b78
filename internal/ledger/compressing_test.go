package ledger

import "testing"

// Only a way that saves enough time is told of, with what becomes of the size.
func TestCompressingSaysWhatSaves(t *testing.T) {
	for name, tt := range map[string]struct {
		others []OtherWay
		want   string
	}{
		"nothing was tried": {},
		"too little":        {others: []OtherWay{{"zstd", 90, 0.8}}},
		"smaller":           {others: []OtherWay{{"zstd", 30, 0.94}, {"gzip:9", 300, 0.9}}, want: "zstd would take about 30.0s and make layers 6% smaller"},
		"as large":          {others: []OtherWay{{"zstd", 30, 0.998}}, want: "zstd would take about 30.0s and make layers as large"},
		"larger":            {others: []OtherWay{{"uncompressed", 1, 2.5}, {"zstd", 30, 1}}, want: "uncompressed would take about 1.0s and make layers 150% larger"},
	} {
		c := &Compressing{Way: "gzip:1", Seconds: 100, Others: tt.others}
		want := tt.want
		if want != "" {
			want = "compressing with gzip:1 took 1m40s: " + want
		}
		if got := c.String(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
