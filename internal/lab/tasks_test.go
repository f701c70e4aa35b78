package lab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestTasksHaveTheirShape(t *testing.T) {
	dir := t.TempDir()
	tasks, err := lab.WriteTasks(dir, lab.Tasks{
		Count: 40, Base: "ubuntu:jammy", Syntax: "docker/dockerfile:1",
		CommonBytes: 2200, VariantBytes: 3000, TailBytes: 4000,
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(read(t, dir, lab.TasksFile)), "\n")
	if len(tasks) != 40 || len(rows) != 40 {
		t.Fatalf("%d tasks and %d rows", len(tasks), len(rows))
	}
	var row map[string]string
	if err := json.Unmarshal([]byte(rows[7]), &row); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]string{"id": "task-7", "dir": "tasks/task-7", "base": "ubuntu:jammy"}); fmt.Sprint(row) != fmt.Sprint(want) {
		t.Errorf("row %v, want %v", row, want)
	}
	// Tasks 0 and 33 are of one variant, 1 of another.
	first, same, other := instructions(t, dir, tasks[0]), instructions(t, dir, tasks[33]), instructions(t, dir, tasks[1])
	if len(first) != 30 {
		t.Errorf("%d instructions, want 30", len(first))
	}
	alike := func(a, b []string) int {
		n := 0
		for n < len(a) && a[n] == b[n] {
			n++
		}
		return n - 1 // without FROM
	}
	if got := alike(first, other); got != 23 {
		t.Errorf("%d steps alike with another variant, want 23", got)
	}
	if got := alike(first, same); got < 26 {
		t.Errorf("%d steps alike in a variant, want 26 at least", got)
	}
	if first[25] != other[25] || first[26] != other[26] {
		t.Errorf("steps of variants differ in more than their environment: %q and %q", first[25:27], other[25:27])
	}
}

func TestTasksRunsAreCounted(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Image(t, registry, lab.Image{Name: "ubuntu:jammy"})
	tally := labtest.Tally(t)
	daemon := labtest.Buildkitd(t, registry)
	dir := t.TempDir()
	tasks, err := lab.WriteTasks(dir, lab.Tasks{
		Count: 4, Base: base.Ref, Variants: 2, CommonBytes: 10, VariantBytes: 10, TailBytes: 10, Tally: tally,
	})
	if err != nil {
		t.Fatal(err)
	}
	images := map[string][]string{}
	group, ctx := errgroup.WithContext(t.Context())
	for _, task := range tasks {
		ref := registry.Host() + "/built/" + task.ID + ":1"
		images[ref] = task.Runs
		group.Go(func() error { return daemon.Build(ctx, lab.Build{Dir: filepath.Join(dir, task.Dir), Push: ref}) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	const steps = 22 + 2*2 + 4
	checkCounts(t, "runs", tally.Counts(), steps, func(string) int { return 1 })
	checkCounts(t, "layers", layersOfRuns(t, images), steps, func(string) int { return 1 })

	// Without the cache, one task's steps run once more, and its image has other layers.
	if _, err := daemon.Buildctl(t.Context(), "prune", "--all"); err != nil {
		t.Fatal(err)
	}
	again := registry.Host() + "/built/again:1"
	images[again] = tasks[0].Runs
	if err := daemon.Build(t.Context(), lab.Build{Dir: filepath.Join(dir, tasks[0].Dir), Push: again}); err != nil {
		t.Fatal(err)
	}
	twice := func(step string) int {
		if strings.HasPrefix(step, "variant/1") || strings.HasPrefix(step, "task-") && step != "task-0" {
			return 1
		}
		return 2
	}
	checkCounts(t, "runs", tally.Counts(), steps, twice)
	checkCounts(t, "layers", layersOfRuns(t, images), steps, twice)
}

func TestRunsMissingFromAnImageAreTold(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Image(t, registry, lab.Image{Name: "ubuntu"})
	if _, err := lab.LayersOfRuns(t.Context(), map[string][]string{base.Ref: {"step"}}); err == nil {
		t.Error("an image without RUN steps has a layer of one")
	}
}

func TestTallyTells(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Image(t, registry, lab.Image{Name: "ubuntu"})
	daemon := labtest.Buildkitd(t, registry)
	tally := labtest.Tally(t)
	if err := daemon.Build(t.Context(), fromBase(t, base, "RUN X=1 && "+tally.Report("a/$X"))); err != nil {
		t.Fatal(err)
	}
	if got := tally.Counts(); len(got) != 1 || got["a/1"] != 1 {
		t.Errorf("counted %v", got)
	}
	tally.Reset()
	if got := tally.Counts(); len(got) != 0 {
		t.Errorf("counted %v after a reset", got)
	}
	if err := tally.Close(); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Build(t.Context(), fromBase(t, base, "RUN "+tally.Report("late"))); err == nil {
		t.Error("a step ran that could not be counted")
	}
}

// checkCounts compares counts by step, of which there must be so many, with what is wanted of each.
func checkCounts(t *testing.T, what string, counts map[string]int, steps int, want func(step string) int) {
	t.Helper()
	if len(counts) != steps {
		t.Errorf("%s of %d steps, want %d: %v", what, len(counts), steps, counts)
	}
	for step, got := range counts {
		if got != want(step) {
			t.Errorf("%s of %s: %d, want %d", what, step, got, want(step))
		}
	}
}

func layersOfRuns(t *testing.T, images map[string][]string) map[string]int {
	t.Helper()
	counts, err := lab.LayersOfRuns(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// instructions are the lines of a task's Dockerfile without its syntax line.
func instructions(t *testing.T, dir string, task lab.Task) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(read(t, dir, task.Dir, "Dockerfile")), "\n")
	if lines[0] != "# syntax=docker/dockerfile:1" {
		t.Errorf("first line %q", lines[0])
	}
	return lines[1:]
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
