package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

// Stoker and bake must build the same tasks, with as many at once.
func TestTaskCommands(t *testing.T) {
	if got, want := rowsWay(3).line, "stoker build --rows tasks.jsonl -t 'REGISTRY/tasks/{{.id}}:1' --push --force --workers 3 "+
		"--progress quiet --builder ADDRESS --state-dir WORK/state --output-dir WORK/out '{{.dir}}'"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := bakeWay("bake", "buildx", 3).line; !strings.HasSuffix(got, "--push --progress quiet --jobs defer-error,parallel=3") {
		t.Errorf("got %s", got)
	}
	text, err := json.Marshal(plan{jobs: []job{{name: "task-1", dir: "tasks/task-1", tag: "host/tasks/task-1:1"}}}.bakeTargets())
	want := `{"group":{"default":{"targets":["task-1"]}},"target":{"task-1":{"context":"tasks/task-1","tags":["host/tasks/task-1:1"]}}}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v\nwant %s", text, err, want)
	}
}

func TestRunsBeyondTheFirst(t *testing.T) {
	tasks := []lab.Task{{Runs: []string{"common/1", "variant/1", "task-1"}}, {Runs: []string{"common/1", "variant/2", "task-2"}}, {Runs: []string{"common/1", "variant/1", "task-3"}}}
	counts := map[string]int{"common/1": 3, "variant/1": 2, "variant/2": 4, "task-1": 5, "task-2": 1, "task-3": 1}
	if got := runsBeyondTheFirst(counts, tasks); got != 3 {
		t.Errorf("got %d, want 3: two of the common step's, one of the variant's that two tasks have", got)
	}
}

func TestCompareWalls(t *testing.T) {
	ways := []way{{name: "a"}, {name: "b", against: "a"}, {name: "c", against: "a"}}
	var rows []report.Row
	for i, w := range ways {
		rows = append(rows, report.Row{Way: w.name, Values: map[string]float64{"wall": float64(10 + i*5)}})
	}
	compareWalls(rows, ways)
	if _, has := rows[0].Values["ratio"]; has || rows[1].Values["ratio"] != 1.5 || rows[2].Values["ratio"] != 2 {
		t.Errorf("got %v", rows)
	}
}

// The records of the large plan must be those of its jobs, or judging them measures nothing.
func TestLargePlanIsJudged(t *testing.T) {
	r, err := largePlan{jobs: 200, prefixes: 10, layers: 2, common: 3, own: 2, records: 100, workers: 2}.measure()
	if err != nil {
		t.Fatal(err)
	}
	var live, dead, foreign, jobs int
	for _, note := range r.Notes {
		fmt.Sscanf(note, "Of the records %d are live, %d dead and %d foreign.", &live, &dead, &foreign)
		fmt.Sscanf(note, "The forecast is of %d jobs", &jobs)
	}
	if live == 0 || dead == 0 || foreign != 0 || live+dead < 100 || jobs != 200 {
		t.Errorf("%d live, %d dead, %d foreign, a forecast of %d jobs", live, dead, foreign, jobs)
	}
}
