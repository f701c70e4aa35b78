package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// datasetRow is a row in every format that has columns.
type datasetRow struct {
	ID    string `json:"id" parquet:"id"`
	Base  string `json:"base" parquet:"base"`
	Stars int64  `json:"stars" parquet:"stars"`
	Fresh bool   `json:"fresh" parquet:"fresh"`
}

// formats are files of rows, by their names.
func formats(t *testing.T, all []datasetRow) map[string]string {
	t.Helper()
	var lines, commas, tabs, packed bytes.Buffer
	tables := []*csv.Writer{csv.NewWriter(&commas), csv.NewWriter(&tabs)}
	tables[1].Comma = '\t'
	for _, w := range tables {
		_ = w.Write([]string{"id", "base", "stars", "fresh"})
	}
	for _, row := range all {
		if err := json.NewEncoder(&lines).Encode(row); err != nil {
			t.Fatal(err)
		}
		for _, w := range tables {
			_ = w.Write([]string{row.ID, row.Base, fmt.Sprint(row.Stars), fmt.Sprint(row.Fresh)})
		}
	}
	for _, w := range tables {
		w.Flush()
	}
	if err := parquet.Write(&packed, all); err != nil {
		t.Fatal(err)
	}
	array, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"rows.jsonl": lines.String(), "rows.json": string(array), "rows.csv": commas.String(), "rows.tsv": tabs.String(), "rows.parquet": packed.String()}
}

// writeFiles writes files into a new working directory.
func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The same rows are the same plan, whatever format they are in: names, base images, tags.
func TestTheSamePlanInEveryFormat(t *testing.T) {
	var all []datasetRow
	var ids strings.Builder
	for i := range 500 {
		row := datasetRow{fmt.Sprintf("Repo__task-%d", i%490), fmt.Sprintf("r.example/base:%d", i%7), int64(i), i%2 == 0}
		if i == 5 {
			row.ID = "" // so that its place names it
		}
		all = append(all, row)
		fmt.Fprintf(&ids, "task-%d # of 500\n", i)
	}
	files := formats(t, all)
	files["ids.txt"] = ids.String()
	for i := range all {
		all[i] = datasetRow{ID: fmt.Sprintf("task-%d", i)}
	}
	for name, text := range formats(t, all) {
		files["ids"+filepath.Ext(name)] = text
	}
	files["Dockerfile"] = "ARG BASE_IMAGE=scratch\nFROM ${BASE_IMAGE}\nARG V\nRUN echo $V\n"
	writeFiles(t, files)
	dry := func(name string, more ...string) string {
		args := append([]string{"build", "--rows", name, "--dry-run", "--build-arg", "V={{.id}}"}, more...)
		code, out := runStoker(t.Context(), append(args, ".")...)
		if code != ExitOK || strings.Count(out, "\tbatch ") != 500 && len(more) == 2 {
			t.Fatalf("%s: exit code %d\n%.2000s", name, code, out)
		}
		return out
	}
	tagged := []string{"-t", "r.example/a:{{.Name | lower}}-{{.DockerfileHash}}"}
	rich := append([]string{"--base", "{{.base}}", "--label", "l={{.stars}} {{.fresh}}", "--where", `int(stars) != 17`, "--sample", "400"}, tagged...)
	want, wantRich := dry("ids.txt", tagged...), dry("rows.jsonl", rich...)
	if !strings.Contains(wantRich, "--sample: 400 of 499 rows") || strings.Count(wantRich, "\tbatch ") != 400 {
		t.Errorf("of the rows there are\n%.2000s", wantRich)
	}
	for _, ext := range []string{".jsonl", ".json", ".csv", ".tsv", ".parquet"} {
		if got := dry("ids"+ext, tagged...); got != want {
			t.Errorf("ids%s gives another plan than ids.txt:\n%.1000s\nwant\n%.1000s", ext, got, want)
		}
		if got := dry("rows"+ext, rich...); got != wantRich {
			t.Errorf("rows%s gives another plan than rows.jsonl:\n%.1000s\nwant\n%.1000s", ext, got, wantRich)
		}
	}
}

// Rows that cannot be used are told of by file and place, and nothing is built.
func TestBadRowsStartNoBuild(t *testing.T) {
	var all []datasetRow
	for i := range 400 {
		all = append(all, datasetRow{ID: fmt.Sprintf("task-%d", i), Base: "abcdefghij"})
	}
	all[316].Base = "short"
	files := formats(t, all)
	files["torn.parquet"] = files["rows.parquet"][:1000]
	files["uneven.csv"] = "id,base\na,b\nc\n"
	files["middle.json"] = files["rows.json"][:1000]
	files["ids.txt"] = "task-3\ntask-4000\n"
	files["Dockerfile"] = "FROM debian\nARG V\nRUN echo $V\n"
	files["tasks/a/Dockerfile"], files["tasks/b/Dockerfile"], files["tasks/b/task.toml"] = "FROM debian\n", "FROM debian\n", "a = \n"
	writeFiles(t, files)
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"torn Parquet", []string{"--rows", "torn.parquet", "."}, []string{"torn.parquet: as Parquet it cannot be read: it does not end with PAR1", "cut short"}},
		{"uneven CSV", []string{"--rows", "uneven.csv", "."}, []string{"uneven.csv: line 3: it has 1 field, where the header has 2"}},
		{"JSON that ends", []string{"--rows", "middle.json", "."}, []string{"middle.json: element ", "it ends in the middle, at line "}},
		{"an unknown column", []string{"--rows", "rows.parquet", "--build-arg", "V={{.bsae}}", "."}, []string{"rows.parquet: rows 1, 2, 3", "there is no field .bsae; did you mean .base?", "fields: .GitSHA .Index .Name .base .fresh .id .stars"}},
		{"a template that fails on row 317", []string{"--rows", "rows.parquet", "--build-arg", "V={{substr 7 9 .base}}{{.id}}", "."}, []string{"rows.parquet: row 317: --build-arg V", "out of range"}},
		{"the same on a line", []string{"--rows", "rows.csv", "--build-arg", "V={{substr 7 9 .base}}{{.id}}", "."}, []string{"rows.csv: line 318: --build-arg V"}},
		{"the same in an element", []string{"--rows", "rows.json", "--build-arg", "V={{substr 7 9 .base}}{{.id}}", "."}, []string{"rows.json: element 317: --build-arg V"}},
		{"no file", []string{"--rows", "none.csv", "."}, []string{"--rows: open none.csv: no such file"}},
		{"an unknown column in --where", []string{"--rows", "rows.csv", "--where", "strs > 1", "."}, []string{"no row has a column strs, at column 1; did you mean stars?"}},
		{"rows at which --where fails", []string{"--rows", "rows.csv", "--where", "stars > 1", "."}, []string{"rows.csv: lines 2, 3, 4", "text > int"}},
		{"--where leaves nothing", []string{"--rows", "rows.json", "--where", "stars > 1", "."}, []string{"--where 'stars > 1': none of the 400 rows of rows.json is left"}},
		{"unknown ids", []string{"--rows", "rows.csv", "--select", "ids.txt", "."}, []string{`ids.txt: line 2: no row of rows.csv has the id "task-4000"; did you mean task-`}},
		{"no list", []string{"--rows", "rows.csv", "--select", "none.txt", "."}, []string{"--select: open none.txt"}},
		{"a negative sample", []string{"--rows", "rows.csv", "--sample", "-1", "."}, []string{"--sample -1: it cannot be negative"}},
		{"three ways", []string{"--each", "tasks/*", "--rows", "rows.csv", "."}, []string{"--rows and --each are two ways"}},
		{"data without rows for it", []string{"--rows", "rows.csv", "--each-data", "x.toml", "."}, []string{"--each-data is for rows of --each alone"}},
		{"standard input twice", []string{"--rows", "-", "--select", "-", "."}, []string{"--select and the rows cannot both"}},
		{"a pattern that the shell filled in", []string{"--each", "tasks/a/Dockerfile", "tasks/b/Dockerfile", "."}, []string{"got 2 arguments", "in quotes"}},
		{"a sidecar", []string{"--each", "tasks/*/Dockerfile", "--each-data", "{{.Dir}}/task.toml", "{{.Dir}}"}, []string{`--each "tasks/*/Dockerfile": tasks/b/Dockerfile: tasks/b/task.toml: line 1`}},
		{"an unknown field in --each-data", []string{"--each", "tasks/*/Dockerfile", "--each-data", "{{.Dri}}/task.toml", "{{.Dir}}"}, []string{"there is no field .Dri; did you mean .Dir?", "fields: .Dir .Name .Path"}},
		{"outside", []string{"--each", "../*", "{{.Dir}}"}, []string{"outside of the working directory", "--allow-outside"}},
		{"a sidecar that is no data", []string{"--each", "tasks/*/Dockerfile", "--each-data", "Dockerfi{{`le`}}", "{{.Dir}}"}, []string{"its name does not end in .toml"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			code, output := runStoker(t.Context(), append([]string{"build", "--builder", "unix:///does/not/exist.sock", "-o", "type=cacheonly", "--output-dir", out}, tt.args...)...)
			if code != ExitUsage {
				t.Errorf("exit code %d, want %d", code, ExitUsage)
			}
			for _, s := range tt.says {
				if !strings.Contains(output, s) {
					t.Errorf("output %q does not say %q", output, s)
				}
			}
			if _, err := os.Stat(out); !os.IsNotExist(err) {
				t.Errorf("an output directory was made")
			}
		})
	}
}

// A row of --each has its match for a Dockerfile, but where -f says otherwise, where the
// match is a directory or where it is a file of data.
func TestDockerfileOfAMatch(t *testing.T) {
	const text = "FROM debian\nCOPY x /\n"
	writeFiles(t, map[string]string{"tasks/a/Dockerfile.ci": text, "tasks/a/Dockerfile": text, "tasks/a/task.yaml": "v: 3.10\n", "tasks/a/other": text, "x": ""})
	for _, tt := range []struct {
		args []string
		tag  string
	}{
		{[]string{"--each", "tasks/*/Dockerfile.ci", "-f", "{{.Dir}}/other", "."}, "r.example/a:x"},
		{[]string{"--each", "tasks/*/Dockerfile.ci", "."}, "r.example/a:x"},
		{[]string{"--each", "tasks/*/", "{{.Path}}"}, "r.example/a:x"},
		{[]string{"--each", "tasks/*/task.yaml", "--each-data", "{{.Path}}", "-t", "r.example/{{.Name}}:{{.v}}", "{{.Dir}}"}, "r.example/a:3.10"},
	} {
		if !strings.Contains(strings.Join(tt.args, " "), "-t") {
			tt.args = append([]string{"-t", "r.example/{{.Name}}:x"}, tt.args...)
		}
		code, out := runStoker(t.Context(), append([]string{"build", "--dry-run"}, tt.args...)...)
		if code != ExitOK || !strings.Contains(out, tt.tag) {
			t.Errorf("%q: exit code %d\n%s, want %s", tt.args, code, out, tt.tag)
		}
	}
	for _, path := range []string{"tasks/a/Dockerfile", "tasks/a/task.yaml"} {
		code, out := runStoker(t.Context(), "build", "--each", "tasks/*/Dockerfile", "--each-data", "{{.Dir}}/task.yaml", "-o", "type=oci,dest="+path, "--builder", "unix:///none", "{{.Dir}}")
		if code != ExitUsage || !strings.Contains(out, "would be overwritten") {
			t.Errorf("%s: exit code %d\n%s", path, code, out)
		}
	}
}

// What names the rows is given once: of two the last would count, and nobody would know.
func TestRowsGivenTwice(t *testing.T) {
	for _, flag := range []string{"images", "rows", "each", "preset", "rows-var"} {
		cmd := newBake(Streams{})
		if flag == "preset" {
			cmd = newBuild(Streams{})
		}
		if err := cmd.ParseFlags([]string{"--" + flag, "a", "--" + flag, "a"}); err != nil {
			t.Errorf("--%s: %v", flag, err)
		}
		err := cmd.ParseFlags([]string{"--" + flag, "b"})
		if want := fmt.Sprintf(`--%s: it is given twice, as "a" and as "b": give it once`, flag); err == nil || flagMistake(cmd, err).Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
