package bake

import (
	"strings"
	"testing"
)

// Where bake takes no null, the rows that have one are named.
func TestRowsWithNulls(t *testing.T) {
	text := strings.Replace(rowsFile, "TYPE", "list(object({ id = string, value = string }))", 1)
	write(t, map[string]string{"docker-bake.hcl": strings.Replace(text, "VALUE = task.value", "VALUE = upper(task.value)", 1)})
	_, err := resolve(t, Question{Rows: readRows(t, `{"id":"a","value":"1"}`+"\n"+`{"id":"b","value":null}`), RowsVar: "tasks"})
	if err == nil || !strings.Contains(err.Error(), "must not be null") || !strings.Contains(err.Error(), "of tasks.jsonl, line 2 has no value") {
		t.Errorf("error %v", err)
	}
}
