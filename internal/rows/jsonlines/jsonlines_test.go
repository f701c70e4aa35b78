package jsonlines

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/rows"
)

func TestRows(t *testing.T) {
	tests := []struct {
		name, text string
		names      string // of the jobs
		notes      int
		says       []string // what the error says
	}{
		{"plain", `{"id":"a"}` + "\n" + `{"id":"b"}` + "\n", "a b", 0, nil},
		{"blank lines, a mark and no newline at the end", "\xef\xbb\xbf{\"id\":\"a\"}\r\n\n  {\"id\":\"b\"}", "a b", 0, nil},
		{"names", `{"id":7,"name":"x"}` + "\n" + `{"instance_id":"i","name":"x"}` + "\n" + `{"name":"x"}` + "\n" + `{"z":1}` + "\n" + `{"id":"","name":"y"}` + "\n" + `{"id":["l"]}`,
			"7 i x row-4 y row-6", 0, nil},
		{"the same row", `{"id":"a"}` + "\n" + `{"id":"b"}` + "\n" + `{"id":"a"}` + "\n", "a b", 1, nil},
		{"the same row, written otherwise", `{"id":"a","n":1,"o":{"x":1,"y":[true]}}` + "\n" + `{"o": {"y": ["true"], "x": 1}, "n": "1", "id": "a", "none": null}` + "\n", "a", 1, nil},
		{"every bad line", `{"id":"a"}` + "\n{\n[1]\n\"x\"\n1\nnull\n" + `{"a":1}{"b":2}` + "\n{\"id\":\"\xff\"}\n", "", 0,
			[]string{"4 problems", "line 2: it is not JSON: it ends in the middle, at column 2", "lines 3, 4, 5, 6: it is not a JSON object", "line 7: there is more on it", "line 8: it is not UTF-8", "each line must be one JSON object"}},
		{"a column", `{"id":"ä", x}`, "", 0, []string{"line 1: it is not JSON", "at column 12"}},
		{"a name twice", `{"id":"a","x":{"y":1},"z":[{"y":1},{"y":2}]}` + "\n" + `{"id":"b","x":{"y":[1],"\u0079":2}}` + "\n" + `{"id":"c",  "id":null}` + "\n", "", 0,
			[]string{"2 problems", `line 2: it has "x.y" twice, at column 24`, `line 3: it has "id" twice, at column 13`}},
		{"empty", "\n", "", 0, []string{"no rows"}},
		{"far too long", `{"id":"` + strings.Repeat("a", rows.MaxRow) + `"}` + "\n{", "", 0, []string{"line 1: it is longer than", "line 2"}},
		{"far too long at the end", `{}` + "\n" + strings.Repeat("a", rows.MaxRow+1), "", 0, []string{"line 2: it is longer than"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := rows.Collect("rows.jsonl", New(strings.NewReader(tt.text)))
			if (err != nil) != (tt.says != nil) {
				t.Fatalf("error %v", err)
			}
			for _, says := range tt.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %q does not say %q", err, says)
				}
			}
			var names []string
			for _, row := range in.Rows {
				names = append(names, row.Name)
			}
			if got := strings.Join(names, " "); got != tt.names || len(in.Notes) != tt.notes {
				t.Errorf("names %q and notes %q, want %q and %d notes", got, in.Notes, tt.names, tt.notes)
			}
		})
	}
}
