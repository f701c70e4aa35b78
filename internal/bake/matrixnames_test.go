package bake

import (
	"strings"
	"testing"
)

// Names of a matrix that cannot be had are named, with the rows that make them.
func TestMatrixNames(t *testing.T) {
	file := strings.Replace(rowsFile, "TYPE", "list(object({ id = string }))", 1)
	file = strings.Replace(file, "task.value", "task.id", 1)
	const begin = `docker-bake.hcl: line 4, column 8: target "task": `
	const fit = "\nmake it fit, for example with name = regex_replace(\"task-${task.id}\", \"[^a-zA-Z0-9_-]+\", \"-\")"
	const differ = "\nhave something in the name whose values differ"
	given := strings.Replace(file, "{ type = list(object({ id = string })) }", "{ default = [{ id = \"ok\" }, { id = \"t/1\" }] }", 1)
	for name, tt := range map[string]struct {
		text, rows string
		want       string
	}{
		"one row":       {file, `{"id":"t 1.x"}`, begin + `tasks.jsonl line 1 makes the name "task-t 1.x", but names have letters, digits, _ and - alone` + fit},
		"one of many":   {file, `{"id":"a"}` + "\n\n" + `{"id":"b/é"}` + "\n" + `{"id":"c"}` + "\n" + `{"id":"d."}`, begin + `tasks.jsonl line 3 makes the name "task-b/é", but names have letters, digits, _ and - alone` + fit},
		"twice":         {file, `{"id":"a"}` + "\n" + `{"id":"b"}` + "\n" + `{"id":"c"}` + "\n" + `{"id":"b","x":1}`, begin + `tasks.jsonl line 2 and tasks.jsonl line 4 make the name "task-b" twice` + differ},
		"of a default":  {given, "", begin + `its matrix makes the name "task-t/1", but names have letters, digits, _ and - alone` + fit},
		"a default's":   {strings.Replace(given, "t/1", "ok", 1), "", begin + `its matrix makes the name "task-ok" twice` + differ},
		"without rows":  {strings.Replace(file, `target "task"`, `target "a b"`, 1), `{"id":"a"}`, `docker-bake.hcl: line 4, column 8: target "a b": names have letters, digits, _ and - alone`},
		"of two keys":   {strings.Replace(file, "{ task = tasks }", `{ more = ["1", "2"], task = tasks }`, 1), `{"id":"a"}`, begin + `tasks.jsonl line 1 makes the name "task-a" twice` + differ},
		"beside others": {file + "target \"other\" {\n  name = \"other-${o.id}\"\n  matrix = { o = tasks }\n}\n", `{"id":"x y"}`, begin + `tasks.jsonl line 1 makes the name "task-x y", but names have letters, digits, _ and - alone` + fit},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"docker-bake.hcl": tt.text})
			q := Question{}
			if tt.rows != "" {
				q.Rows, q.RowsVar = readRows(t, tt.rows), "tasks"
			}
			if _, err := resolve(t, q); err == nil || err.Error() != tt.want {
				t.Errorf("error %v\nwant %s", err, tt.want)
			}
		})
	}
}
