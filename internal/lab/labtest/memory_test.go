package labtest

import (
	"os"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
)

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
