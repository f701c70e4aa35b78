package engine

import (
	"strings"
	"testing"

	"github.com/docker/buildx/build"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// linked makes tasks: each is "NAME TAG BASE", with more words for build arguments.
func linked(t *testing.T, lines ...string) (*run, []*task) {
	t.Helper()
	r := &run{ended: map[*task]ledger.Status{}}
	var tasks []*task
	for _, line := range lines {
		words := strings.Fields(line)
		args := map[string]string{}
		for _, w := range words[3:] {
			args[w] = w
		}
		tasks = append(tasks, &task{job: &plan.Job{Name: words[0], Tags: []string{words[1]}, Base: words[2], Options: build.Options{BuildArgs: args}}})
	}
	r.linkTasks(tasks)
	return r, tasks
}

func names(tasks []*task) string {
	var out []string
	for _, t := range tasks {
		out = append(out, t.job.Name)
	}
	return strings.Join(out, " ")
}

func TestJobsOnOtherJobsImages(t *testing.T) {
	r, tasks := linked(t,
		"top registry.example/top:1 registry.example/middle:1",
		"middle registry.example/middle:1 debian tool",
		"free registry.example/free:1 debian 3",
		"tool docker.io/library/tool:latest debian")
	if got := names(afterOthers(tasks)); got != "tool middle top free" {
		t.Errorf("order %q, want each behind what it is built on", got)
	}
	if waits, _ := r.waitsFor(tasks[0]); !waits {
		t.Error("the first does not wait for what it is built on")
	}
	r.ended[tasks[1]] = ledger.Built
	if waits, failed := r.waitsFor(tasks[0]); waits || failed != nil {
		t.Error("it still waits for what was built")
	}
	r.ended[tasks[3]] = ledger.Failed
	if _, failed := r.waitsFor(tasks[1]); failed != tasks[3] {
		t.Error("it is not told that what it is built on has failed")
	}
}

func TestCirclesAreRefused(t *testing.T) {
	_, tasks := linked(t, "a r.example/a:1 r.example/c:1", "b r.example/b:1 r.example/a:1", "c r.example/c:1 r.example/b:1", "d r.example/d:1 debian")
	refused := 0
	for _, task := range tasks {
		if task.early != nil {
			refused++
		}
	}
	if refused == 0 || tasks[3].early != nil {
		t.Errorf("%d of three in a circle are refused", refused)
	}
	if got := len(afterOthers(tasks)); got != 4 {
		t.Errorf("%d tasks are ordered, want all 4", got)
	}
}

func TestNormalRef(t *testing.T) {
	for ref, want := range map[string]string{"debian": "docker.io/library/debian:latest", "r.example/a:1@sha256:" + strings.Repeat("0", 64): "r.example/a:1", "Not A Ref": "", "": ""} {
		if got := normalRef(ref); got != want {
			t.Errorf("%q is %q, want %q", ref, got, want)
		}
	}
}
