package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestExecute(t *testing.T) {
	// What this process holds must not count as the child's.
	ballast := make([]byte, 256<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	log := filepath.Join(t.TempDir(), "log")
	used, err := execute(t.Context(), log, command{
		program: "sh", args: []string{"-c", "echo $WORD; pwd; sleep 0.2; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3"},
		dir: "/", env: []string{"WORD=text"},
	})
	if code, ended := exitCode(err); !ended || code != 3 {
		t.Errorf("exit code %d of %v", code, err)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "text\n/\n" {
		t.Errorf("log %q: %v", text, err)
	}
	if used.memory <= 0 || used.memory > 64<<20 {
		t.Errorf("%d bytes of memory", used.memory)
	}
	if used.cpu <= 0 || used.cpu > 10*time.Second {
		t.Errorf("%s of processor time", used.cpu)
	}
	if ballast[0] != 1 {
		t.Error("the ballast must live until here")
	}
}

func TestExecuteMissing(t *testing.T) {
	_, err := execute(t.Context(), filepath.Join(t.TempDir(), "log"), command{program: "/no/such/program"})
	if err == nil {
		t.Error("no error")
	} else if _, ended := exitCode(err); ended {
		t.Errorf("%v counts as an exit", err)
	}
}
