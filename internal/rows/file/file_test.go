package file

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/stoker-build/stoker/internal/rows"
)

// parquetOf is a Parquet file of some values.
func parquetOf[T any](t testing.TB, values ...T) string {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b)
	if _, err := w.Write(values); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type one struct {
	ID string `parquet:"id"`
}

// show is the rows with their places, for comparison.
func show(in rows.Input) string {
	var all []string
	for _, row := range in.Rows {
		columns, _ := json.Marshal(row.Columns)
		all = append(all, fmt.Sprintf("%s %s", row.Place, columns))
	}
	return strings.Join(all, "; ")
}

// readBoth reads a file of a name and a text in both ways.
func readBoth(t *testing.T, name, text string) (rows.Input, error) {
	t.Helper()
	streamed, streamErr := Stream(name, strings.NewReader(text))
	t.Chdir(t.TempDir())
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := Read(name)
	if fmt.Sprint(err) != fmt.Sprint(streamErr) || show(in) != show(streamed) {
		t.Errorf("as a stream: %s, error %v\nas a file: %s, error %v", show(streamed), streamErr, show(in), err)
	}
	return in, err
}

// The format of a file is known by what it begins with, then by its name.
func TestFormats(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	tests := []struct{ name, text, places string }{
		{"x.jsonl", `{"id":"a"}`, "line 1"},
		{"x.csv", `{"id":"a"}`, "line 1"},
		{"x", "\n" + `{"id":"a"}`, "line 2"},
		{"x.json", `{"id":"a"}` + "\n" + `{"id":"b"}`, "line 1,line 2"},
		{"x.json", mark + "\n [\n" + `{"id":"a"}` + "\n]\n", "element 1"},
		{"x.jsonl", `[{"id":"a"},{"id":"b"}]`, "element 1,element 2"},
		{"x.csv", mark + "id\na\n\nb\n", "line 2,line 4"},
		{"x.csv", "id,text\na,\"two\nlines\"\nb,\n", "line 2,line 4"},
		{"x.tsv", "id\ttext\na\tx,y\n", "line 2"},
		{"x", "id\ttext\na\tx,y\n", "line 2"},
		{"x", "id,text\na,x\n", "line 2"},
		{"x", "# a, b\na\n\n# none\nb # one\n", "line 2,line 5"},
		{"x.txt", mark + "a,1\nb,2\n", "line 1,line 2"},
		{"x.txt", "id\na\n", "line 1,line 2"},
		{"x", "repo:tag\n-a:b\n", "line 1,line 2"},
		{"x.yaml", `[{"id":"a"}]`, "element 1"},
		{"x", "name\n", "line 1"},
		{"x", "a\nid\n", "line 1,line 2"},
		{"x", parquetOf(t, one{"a"}, one{"b"}), "row 1,row 2"},
		{"x.csv", parquetOf(t, one{"a"}), "row 1"},
	}
	for _, tt := range tests {
		in, err := readBoth(t, tt.name, tt.text)
		var places []string
		for _, row := range in.Rows {
			places = append(places, row.Place.String())
		}
		if err != nil || strings.Join(places, ",") != tt.places {
			t.Errorf("%s %q: %s, error %v, want %s", tt.name, tt.text, places, err, tt.places)
		}
	}
}

func TestBadFiles(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	whole := parquetOf(t, one{"a"}, one{"b"})
	tests := []struct {
		name, text string
		says       []string
	}{
		{"x.parquet", whole[:len(whole)-20], []string{"x.parquet: as Parquet it cannot be read", "cut short"}},
		{"x.parquet", whole[:2], []string{"x.parquet: as Parquet it cannot be read"}},
		{"x.parquet", strings.Replace(whole, "PAR1", "PAR2", 1), []string{"x.parquet: as Parquet it cannot be read"}},
		{"x.parquet", "", []string{"x.parquet: as Parquet it cannot be read"}},
		{"x.parquet", parquetOf[one](t), []string{"x.parquet: no rows in it"}},
		{"x.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", []string{"git lfs pull"}},
		{"x.csv", "id,n\na,1\nb\nc,1,2\n", []string{"2 problems", "line 3: it has 1 field, where the header has 2", "line 4: it has 3 fields"}},
		{"x.csv", "id,n,id\na,1,2\n", []string{`line 1: the header: columns 1 and 3 are both named "id"`, "a name of its own"}},
		{"x.csv", "id;n\na;1\n", []string{`line 1: the header: it names one column, "id;n": is it separated by semicolons?`, "with commas"}},
		{"x", "id;dir\na;1\n", []string{`line 1: the header: it names one column, "id;dir": is it separated by semicolons?`, "with commas"}},
		{"x.yaml", "a\nb\n", []string{"x.yaml: it is YAML", "yq -o=json", "rows are JSON Lines, JSON (an array"}},
		{"x.yml", "# none\n", []string{"x.yml: it is YAML"}},
		{"x", "# tasks\n\n- id: a\n  dir: b\n", []string{"x: it is YAML", "yq -o=json"}},
		{"x", "---\n- a\n", []string{"x: it is YAML"}},
		{"x", "tasks:\n  - id: a, b\n", []string{"x: it is YAML"}},
		{"x.csv", "id, \na,1\n", []string{"line 1: the header: column 2 has no name", "index=False"}},
		{"x.csv", "id\na\"b\n", []string{"line 2: column 2: there is a quote"}},
		{"x.csv", "id\n\"a\nb\n", []string{"line 2: line 3, column 3: a field in quotes goes on"}},
		{"x.csv", "id,n\n\"a\"b,1\n", []string{"x.csv: line 2: column 3: a field in quotes goes on"}},
		{"x.csv", "id\n\xff\n", []string{"line 2: it is not UTF-8 text"}},
		{"x.csv", "id\n", []string{"x.csv: no rows in it", "the first line must name the columns"}},
		{"x.csv", "id\n" + strings.Repeat("a", rows.MaxRow+8<<10), []string{"line 2: it is longer than"}},
		{"x.tsv", "id\tn\na\n", []string{"line 2: it has 1 field", "with tabs between"}},
		{"x.json", "[\n" + `{"id":"a"},` + "\n" + `{"id":`, []string{"element 2: it is not JSON: it ends in the middle, at line 3, column 7", "an array of objects"}},
		{"x.json", "[\n" + `{"id":"a"},` + "\n" + ` {"id":x}]`, []string{"element 2: it is not JSON: invalid character 'x'", "at line 3, column 8"}},
		{"x.json", `[{"id":"a"}, 1, "x"] y`, []string{"elements 2, 3: it is not a JSON object", "there is more behind the array, at line 1, column 22"}},
		{"x.json", "[{\"id\":\"\xff\"}]", []string{"element 1: it is not UTF-8 text"}},
		{"x.json", "\ufeff[\n" + `{"id":"a"},` + "\n" + `{"id":"b",` + "\n" + ` "id":1}]`, []string{`element 2: it has "id" twice, at line 4, column 2`}},
		{"x.json", "[]", []string{"x.json: no rows in it"}},
		{"x.json", "{\n\"id\": 1\n}\n", []string{"line 1: it is not JSON: it ends in the middle", "an array of such objects is read, too"}},
		{"x.jsonl", "id\n", []string{"line 1: it is not JSON"}},
		{"x.txt", "a\n\xff\n", []string{"line 2: it is not UTF-8 text"}},
		{"x.txt", "a\x00\n", []string{"neither text nor Parquet"}},
		{"x", mark + "instance_id\r\na\r\n", []string{`x: line 1 is "instance_id", as the header of a table with one column`, "a file that is named .csv, or leave that line out"}},
		{"x", "# none\n", []string{"x: no rows in it", "each line must be one id"}},
		{"x", "\x7fELF\x02\x00", []string{"x: it is neither text nor Parquet", "rows are JSON Lines"}},
		{"x.csv", "i\x00d\x00", []string{"neither text nor Parquet"}},
		{"x.csv", "\xff\xfei\x00d\x00", []string{"UTF-16"}},
		{"x.jsonl.gz", "\x1f\x8b\x08", []string{"packed, by gzip"}},
	}
	for _, tt := range tests {
		in, err := readBoth(t, tt.name, tt.text)
		if err == nil {
			t.Errorf("%s %.60q: %d rows and no error", tt.name, tt.text, len(in.Rows))
			continue
		}
		for _, says := range tt.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s %.60q: error %q does not say %q", tt.name, tt.text, err, says)
			}
		}
	}
}

func TestDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("tasks", 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Read("tasks")
	if err == nil || !strings.Contains(err.Error(), "--each 'tasks/*/Dockerfile'") {
		t.Errorf("error %v", err)
	}
}

// Whatever a file has in it, there are rows with names or an error, and nothing is left
// in the temporary directory.
func FuzzStream(f *testing.F) {
	for _, seed := range []struct{ name, text string }{
		{"x.jsonl", `{"id":"a"}`}, {"x.json", "[{}\n,{\"id\":1e3}]"}, {"x.csv", "id,n\n\"a\",1\n"}, {"x.tsv", "id\tn\na\t1\n"}, {"x.txt", "a # b\n"},
		{"x", "\xef\xbb\xbf{}\n\n{\"id\":null,\"a\":{\"b\":[null]}}"}, {"x.parquet", parquetOf(f, one{"a"}, one{"b"})},
	} {
		f.Add(seed.name, seed.text)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		in, err := Stream(name, strings.NewReader(text))
		if (err == nil) != (len(in.Rows) > 0) {
			t.Fatalf("%d rows and error %v", len(in.Rows), err)
		}
		for _, row := range in.Rows {
			if n := row.Name; n == "" || n != filepath.Base(n) || strings.HasPrefix(n, ".") {
				t.Fatalf("%q gives the name %q", text, n)
			}
		}
	})
}
