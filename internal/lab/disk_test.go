package lab_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestDiskFills(t *testing.T) {
	disk := labtest.Disk(t, 32<<20)
	stop := disk.WatchPeak(t.Context(), time.Millisecond)
	before, total, err := disk.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if total > 32<<20 || total < 16<<20 {
		t.Errorf("a disk of 32 MiB has %d bytes", total)
	}
	large := filepath.Join(disk.Path(), "large")
	if err := os.WriteFile(large, make([]byte, 40<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(large); err != nil {
		t.Fatal(err)
	}
	if peak := stop(); peak < before || peak > total {
		t.Errorf("peak %d, with %d before, on a disk of %d", peak, before, total)
	}
	if err := disk.Close(); err != nil {
		t.Fatal(err)
	}
	if left := mountsUnder(t, disk.Path()); len(left) > 0 {
		t.Errorf("left mounted: %v", left)
	}
}

func TestDiskFillAndUnfill(t *testing.T) {
	disk := labtest.Disk(t, 32<<20)
	before, total, _ := disk.Usage()
	for range 2 {
		if err := disk.Fill(4 << 20); err != nil {
			t.Fatal(err)
		}
	}
	if used, _, _ := disk.Usage(); used < before+8<<20 {
		t.Errorf("%d bytes used after filling, %d before", used, before)
	}
	if err := disk.Fill(total); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if err := disk.Unfill(); err != nil {
			t.Fatal(err)
		}
	}
	if used, _, _ := disk.Usage(); used > before+1<<20 {
		t.Errorf("%d bytes used after unfilling, %d before", used, before)
	}
}

func TestBusyDiskCloses(t *testing.T) {
	disk := labtest.Disk(t, 16<<20)
	open, err := os.Create(filepath.Join(disk.Path(), "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
	if left := mountsUnder(t, disk.Path()); len(left) > 0 {
		t.Errorf("left mounted: %v", left)
	}
}

func TestFillUp(t *testing.T) {
	disk := labtest.Disk(t, 16<<20)
	if err := disk.FillUp(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(disk.Path(), "file"), []byte("text"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing to a full disk: %v", err)
	}
	if err := disk.Unfill(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(disk.Path(), "file"), []byte("text"), 0o600); err != nil {
		t.Errorf("writing to a disk with room: %v", err)
	}
}
