package run

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/buildx/build"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// linked makes tasks: each is "NAME TAG BASE", with more words for build arguments.
func linked(t *testing.T, lines ...string) []*task {
	t.Helper()
	r := &run{}
	var tasks []*task
	for _, line := range lines {
		words := strings.Fields(line)
		args := map[string]string{}
		for _, w := range words[3:] {
			args[w] = w
		}
		tasks = append(tasks, &task{job: &plan.Job{Name: words[0], Source: &plan.Source{}, Tags: []string{words[1]}, Base: words[2], Options: build.Options{BuildArgs: args}}})
	}
	r.linkTasks(t.Context(), tasks)
	return tasks
}

func names(tasks []*task) string {
	var out []string
	for _, t := range tasks {
		out = append(out, t.job.Name)
	}
	return strings.Join(out, " ")
}

func TestJobsOnOtherJobsImages(t *testing.T) {
	tasks := linked(t,
		"top registry.example/top:1 registry.example/middle:1",
		"middle registry.example/middle:1 debian tool",
		"free registry.example/free:1 debian 3",
		"tool docker.io/library/tool:latest debian")
	if got := names(afterOthers(tasks)); got != "tool middle top free" {
		t.Errorf("order %q, want each behind what it is built on", got)
	}
	if waits, _ := tasks[0].waitsFor(); !waits {
		t.Error("the first does not wait for what it is built on")
	}
	tasks[1].ended = ledger.Built
	if waits, failed := tasks[0].waitsFor(); waits || failed != nil {
		t.Error("it still waits for what was built")
	}
	tasks[3].ended = ledger.Failed
	if _, failed := tasks[1].waitsFor(); failed != tasks[3] {
		t.Error("it is not told that what it is built on has failed")
	}
}

// What is built on a job's image comes right behind that job: its results are kept until then.
func TestHeirsComeNext(t *testing.T) {
	tasks := linked(t, "a r.example/a:1 debian", "b r.example/b:1 debian", "c r.example/c:1 debian", "on-a r.example/on-a:1 r.example/a:1",
		"on-on-a r.example/on-on-a:1 r.example/on-a:1", "on-ab r.example/on-ab:1 r.example/a:1 r.example/b:1", "on-d r.example/on-d:1 r.example/d:1", "d r.example/d:1 debian")
	open := afterOthers(tasks[:7]) // d is built already
	open = slices.DeleteFunc(open, func(task *task) bool { return task.job.Name == "d" })
	if got := names(heirsNext(open)); got != "on-d a on-a on-on-a b on-ab c" {
		t.Errorf("order %q, want each right behind the last of those that it is built on", got)
	}
}

// All of a circle are refused, and what is built on one fails with it; nothing else.
func TestCirclesAreRefused(t *testing.T) {
	tasks := linked(t, "a r.example/a:1 r.example/c:1", "b r.example/b:1 r.example/a:1", "c r.example/c:1 r.example/b:1", "d r.example/d:1 debian",
		"on-a r.example/on-a:1 r.example/a:1", "on-on-a r.example/on-on-a:1 r.example/on-a:1", "e r.example/e:1 r.example/f:1", "f r.example/f:1 r.example/e:1", "on-d r.example/on-d:1 r.example/d:1")
	check := func(when string, want map[string]string) {
		t.Helper()
		for _, task := range tasks {
			got := ""
			if task.early != nil {
				got = task.early.Error()
			}
			if says := want[task.job.Name]; says == "" && got != "" || !strings.Contains(got, says) {
				t.Errorf("%s: of %s is said %q, want %q", when, task.job.Name, got, says)
			}
		}
	}
	want := map[string]string{"a": "image of c, and that", "b": "image of a, and that", "c": "image of b, and that", "e": "image of f, and that", "f": "image of e, and that"}
	check("in a run", want)
	if got := len(afterOthers(tasks)); got != len(tasks) {
		t.Errorf("%d tasks are ordered, want all", got)
	}
	failUpon(tasks)
	want["on-a"], want["on-on-a"] = "image of a, which will fail", "image of on-a, which will fail"
	check("in a forecast", want)
}
