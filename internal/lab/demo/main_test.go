package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// standIn is a program in stoker's place that notes its arguments and does as the script says.
func standIn(t *testing.T, script string) (program, arguments string) {
	t.Helper()
	dir := t.TempDir()
	program, arguments = filepath.Join(dir, "stoker"), filepath.Join(dir, "arguments")
	text := "#!/bin/sh\nprintf '%s\\n' \"$@\" > " + arguments + "\n" + script + "\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return program, arguments
}

func demoOptions(t *testing.T, stoker string) options {
	t.Helper()
	labtest.Root(t, "a disk of its own")
	names := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(names, []byte(strings.Join(lab.Instances(2, 3), "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	return options{stoker: stoker, images: 2, instances: names, dir: filepath.Join(t.TempDir(), "work")}
}

func TestMissingImagesFailTheDemo(t *testing.T) {
	stoker, arguments := standIn(t, "exit 0")
	o := demoOptions(t, stoker)
	o.extra = []string{"--no-color"}
	code, err := demo(t.Context(), o)
	if code != exitFailed || err == nil || !strings.Contains(err.Error(), "/agent/project02__project02-10001:demo") {
		t.Errorf("code %d, error %v", code, err)
	}
	text, err := os.ReadFile(arguments)
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Fields(string(text))
	if last := args[len(args)-1]; last != contextDir(o.dir) || args[len(args)-2] != "--no-color" {
		t.Errorf("arguments %q", args)
	}
	list, err := os.ReadFile(imagesFile(o.dir))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(list), "/swebench/project"); got != 2 {
		t.Errorf("the list names %d images:\n%s", got, list)
	}
}

func TestInterruptedStokerEndsTheDemo(t *testing.T) {
	stoker, _ := standIn(t, "kill -TERM $$")
	if code, _ := demo(t.Context(), demoOptions(t, stoker)); code != exitInterrupted {
		t.Errorf("code %d", code)
	}
}

func TestNoStokerBinary(t *testing.T) {
	code, err := demo(t.Context(), options{stoker: filepath.Join(t.TempDir(), "none")})
	if code != exitUsage || err == nil {
		t.Errorf("code %d, error %v", code, err)
	}
}
