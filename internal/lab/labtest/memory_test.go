package labtest

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/internal/lab"
)

// A disk that a killed test has left mounted in memory goes.
func TestLeftDiskGoes(t *testing.T) {
	memory := lab.Memory()
	if memory == "" {
		t.Skip("there is no room in memory")
	}
	Root(t, "a mount")
	before := disk
	t.Cleanup(func() { disk = before })
	left, err := os.MkdirTemp(memory, "stoker-t-")
	Made(t, "make a directory", err)
	mount := left + "/mnt"
	Made(t, "make a directory", os.Mkdir(mount, 0o700))
	Made(t, "write a lock", os.WriteFile(left+"/.stoker-scratch", nil, 0o600)) // which nobody holds
	Made(t, "mount", unix.Mount("none", mount, "tmpfs", 0, ""))
	t.Setenv(tmpEnv, "")
	useMemory()()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// Temporary files are made in memory until the end, unless the user has said where, or there is no room.
func TestUseMemory(t *testing.T) {
	before, chosen := disk, t.TempDir()
	t.Cleanup(func() { disk = before })
	for _, tt := range []struct{ tmp, below string }{{"", lab.Memory()}, {chosen, ""}} {
		t.Setenv(tmpEnv, tt.tmp)
		usual := os.TempDir()
		remove := useMemory()
		during := os.TempDir()
		if moved := tt.below != ""; moved != (during != usual) || !strings.HasPrefix(during, tt.below) {
			t.Errorf("TMPDIR=%s: files are in %s, want them below %q", tt.tmp, during, tt.below)
		}
		if !strings.HasPrefix(OnDisk(t), usual+"/") {
			t.Errorf("TMPDIR=%s: what belongs on disk is not below %s", tt.tmp, usual)
		}
		remove()
		if _, err := os.Stat(during); os.TempDir() != usual || (during != usual) != os.IsNotExist(err) {
			t.Errorf("TMPDIR=%s: files are in %s afterwards, and %s: %v", tt.tmp, os.TempDir(), during, err)
		}
	}
}
