package main

import (
	"strings"
	"testing"
)

func TestReason(t *testing.T) {
	for log, want := range map[string]string{
		"":        "",
		"plain\n": "plain",
		"#1 write /mnt/a: no space left on device\nerror: failed to solve: exit code: 1\n":        noSpace,
		"#1 x\nerror: failed to solve: process \"x\" did not complete successfully: exit code: 7": "exit code 7",
		"error: failed to solve: host:1/a: not found":                                             "not found",
	} {
		if got := reason(log); got != want {
			t.Errorf("%q: %q, want %q", log, got, want)
		}
	}
}

func TestFailureText(t *testing.T) {
	var o outcome
	for range 2 {
		o.fail("a: b")
	}
	o.failTimes("a", 3)
	if got, want := o.failureText(), `3 times "a", 2 times "b"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCommandLine(t *testing.T) {
	got := commandLine("stoker", []string{"-t", "{{.Name}}", "a=b", `description~="x|y"`})
	if want := `stoker -t '{{.Name}}' a=b 'description~="x|y"'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Every way must build the same: the arguments that say what come from one plan.
func TestArgsAgree(t *testing.T) {
	p := standIn(4, "K=V")
	loop, stoker := strings.Join(p.buildctlArgs(standInJob), " "), strings.Join(p.stokerArgs("--prune", "off"), " ")
	for _, want := range []string{"build-arg:K=V", "build-arg:BASE_IMAGE=BASE", "push=true,unpack=false", "--addr ADDRESS"} {
		if !strings.Contains(loop, want) {
			t.Errorf("loop without %s: %s", want, loop)
		}
	}
	for _, want := range []string{"--build-arg K=V", "--push", "--workers 4", "--builder ADDRESS", "--prune off CONTEXT"} {
		if !strings.Contains(stoker, want) {
			t.Errorf("stoker without %s: %s", want, stoker)
		}
	}
}
