package choose

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// input is some rows: every third has no stars.
func input(n int) rows.Input {
	in := rows.Input{Name: "tasks.jsonl"}
	for i := range n {
		columns := map[string]any{"id": fmt.Sprintf("task-%d", i), "version": json.Number(fmt.Sprintf("3.%d", i)), "a-b": "x", "type": "t", "empty": "",
			"meta": map[string]any{"langs": []any{"go", "c"}, "size": json.Number("1.5")}}
		if i%3 != 0 {
			columns["stars"] = int64(i * 10)
		}
		in.Rows = append(in.Rows, rows.Row{Place: mistakes.Line(i + 1), Columns: columns, Name: fmt.Sprintf("task-%d", i), Identity: fmt.Sprint(i)})
	}
	in.Complete()
	return in
}

func names(in rows.Input) string {
	var all []string
	for _, row := range in.Rows {
		all = append(all, strings.TrimPrefix(row.Name, "task-"))
	}
	return strings.Join(all, " ")
}

func list(t *testing.T, text string) *List {
	t.Helper()
	l, err := ReadList("ids.txt", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestChoices(t *testing.T) {
	tests := []struct {
		name   string
		choice Choice
		kept   string
		says   []string
	}{
		{"all", Choice{}, "0 1 2 3 4 5", nil},
		{"by a number", Choice{Where: "stars != nil and stars > 10"}, "2 4 5", nil},
		{"without a column", Choice{Where: "stars == nil"}, "0 3", nil},
		{"by a number with a point", Choice{Where: "version > 3.3"}, "4 5", nil},
		{"deep down", Choice{Where: `"go" in meta.langs and meta.size > 1 and id endsWith "2"`}, "2", nil},
		{"a column that is no word", Choice{Where: `$env["a-b"] == "x" and Index < 1`}, "0", nil},
		{"a column that is a function's name", Choice{Where: `type == "t" and Name == "task-1"`}, "1", nil},
		{"by ids, in the rows' order", Choice{Select: list(t, "task-4 # one\n\ntask-1\ntask-4\n")}, "1 4", nil},
		{"a sample of all", Choice{Sample: 99, Seed: 1}, "0 1 2 3 4 5", nil},
		{"one after the other", Choice{Where: "Index > 0", Select: list(t, "task-0\ntask-1\ntask-2"), Sample: 1, Seed: 1}, "2", nil},

		{"an unknown column", Choice{Where: "Index > 0 and strs > 1"}, "", []string{"--where 'Index > 0 and strs > 1': no row has a column strs, at column 15; did you mean stars?", "columns: Index Name a-b empty id meta stars type version"}},
		{"no expression", Choice{Where: "stars >"}, "", []string{"unexpected token", "at column 7"}},
		{"as in templates", Choice{Where: `.stars > 1`}, "", []string{"unexpected token", "without a dot before it"}},
		{"as a template", Choice{Where: `{{.stars}} > 1`}, "", []string{"it is no template"}},
		{"neither true nor false", Choice{Where: "meta.size"}, "", []string{"lines 1, 2, 3, 4, 5, 6: --where 'meta.size': it is neither true nor false, but a number"}},
		{"nothing at all", Choice{Where: "meta.none"}, "", []string{"neither true nor false, but nil"}},
		{"rows at which it fails", Choice{Where: "stars > 10"}, "", []string{"tasks.jsonl: lines 1, 4: --where 'stars > 10': invalid operation: nil > int, at column 7", "a row without a column has nil"}},
		{"an empty text as a number", Choice{Where: `int(id == "task-1" ? empty : version) > 0`}, "", []string{"line 2: ", "here empty is empty"}},
		{"text as a number", Choice{Where: "id > 3"}, "", []string{"invalid operation: text > int", "int(stars)"}},
		{"the time", Choice{Where: "now() != nil"}, "", []string{"now"}},
		{"too much", Choice{Where: "all(1..100000000, # > 0)"}, "", []string{"memory budget exceeded"}},
		{"where leaves nothing", Choice{Where: "stars == 7", Sample: 1}, "", []string{"--where 'stars == 7': none of the 6 rows of tasks.jsonl is left"}},
		{"a field that is nowhere", Choice{Where: "meta.siz == 7"}, "", []string{"--where 'meta.siz == 7': no row has meta.siz; did you mean meta.size?"}},
		{"select leaves nothing", Choice{Where: "Index > 0", Select: list(t, "task-0")}, "", []string{"--select: none of the 5 rows of tasks.jsonl is left"}},
		{"unknown ids", Choice{Select: list(t, "task-1\ntask-22\n\nother")}, "", []string{"ids.txt: 2 problems", `line 2: no row of tasks.jsonl has the id "task-22"; did you mean task-2?`, `line 4: no row of tasks.jsonl has the id "other"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := tt.choice.From(input(6))
			if (err != nil) != (tt.says != nil) || names(in) != tt.kept {
				t.Fatalf("rows %s, error %v, want %s", names(in), err, tt.kept)
			}
			for _, says := range tt.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %q does not say %q", err, says)
				}
			}
			var wrong *mistakes.InputError
			if err != nil && !errors.As(err, &wrong) {
				t.Errorf("error %#v", err)
			}
		})
	}
}

// What is left is said, and the whole input stays as it is.
func TestNotes(t *testing.T) {
	whole := input(6)
	in, err := Choice{Where: "Index > 0", Sample: 2, Seed: 1}.From(whole)
	if err != nil || strings.Join(in.Notes, "; ") != "--where 'Index > 0': 5 of 6 rows; --sample: 2 of 5 rows" {
		t.Errorf("notes %q, error %v", in.Notes, err)
	}
	if names(whole) != "0 1 2 3 4 5" || whole.Notes != nil {
		t.Errorf("of the input there is %s, with notes %q", names(whole), whole.Notes)
	}
}

// A sample is the same on every machine, another by another seed, and grows with the
// input by new rows alone.
func TestSample(t *testing.T) {
	sample := func(of, n, seed int) string {
		in, err := Choice{Sample: n, Seed: seed}.From(input(of))
		if err != nil {
			t.Fatal(err)
		}
		return names(in)
	}
	const first = "6 8 26 33 44 51 54 62 64 78"
	if got := sample(100, 10, 1); got != first {
		t.Errorf("the sample is %s, want %s", got, first)
	}
	if got := sample(100, 10, 2); got == first {
		t.Errorf("with another seed it is %s, too", got)
	}
	old := " " + sample(100, 10, 1) + " "
	for _, name := range strings.Fields(sample(110, 10, 1)) {
		if !strings.Contains(old, " "+name+" ") && len(name) < 3 {
			t.Errorf("row %s was there before, and not in the sample", name)
		}
	}
}

// An expression that goes on and on ends with the row at which it does, also where what it
// looks at is none of its own making; one that looks at as much in many rows does not.
func TestWhereIsBounded(t *testing.T) {
	in := rows.Input{Name: "tasks.jsonl"}
	for i, n := range []int{10, 400, 400} {
		in.Rows = append(in.Rows, rows.Row{Place: mistakes.Line(i + 1), Columns: map[string]any{"tests": make([]any, n)}, Name: fmt.Sprint("task-", i)})
	}
	_, err := Choice{Where: "all(tests, all(tests, all(tests, # == nil)))"}.From(in)
	if err == nil || !strings.HasPrefix(err.Error(), "tasks.jsonl: line 2: --where 'all(tests, all(tests, all(tests, # == nil)))': it takes too long") {
		t.Errorf("error %v", err)
	}
	for where, kept := range map[string]string{
		"all(tests, all(tests, # == nil)) and len(filter(tests, true)) > 10": "1 2",
		"count(map(tests, 7), # == 7) == 10":                                 "0",
		"sum(1..3, # * 2) == 12 and reduce(tests, #acc + 1, 0) in [10]":      "0",
		"findIndex(tests, {let x = #; x == nil}) == 0":                       "0 1 2",
		"len(groupBy(tests, # == nil)) == 1 and map(1..3, #)[2] == 3":        "0 1 2",
		"reduce(tests, #index, 0) > 0 and sortBy([3, 1, 2], -#)[0] == 3":     "0 1 2",
	} {
		got, err := Choice{Where: where}.From(in)
		if err != nil || names(got) != kept {
			t.Errorf("%s: rows %s, error %v, want %s", where, names(got), err, kept)
		}
	}
}

func TestReadList(t *testing.T) {
	for text, says := range map[string]string{"# none\n\n": "no ids in it", "a\n\xff\n": "line 2: it is not UTF-8 text"} {
		if _, err := ReadList("ids.txt", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want %q", text, err, says)
		}
	}
}
