package builder_test

import (
	"path/filepath"
	"testing"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// Whether a disk is full is found out through the daemon, which keeps nothing of it.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := labtest.Disk(t, 100<<20)
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Root: filepath.Join(disk.Path(), "root")})
	b, err := builder.Connect(t.Context(), builder.Options{Names: []string{daemon.Addr()}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	node := b.Nodes()[0]
	if node.DiskFull(t.Context()) {
		t.Error("an empty disk is full")
	}
	if records, err := node.Records(t.Context()); err != nil || len(records) > 0 {
		t.Errorf("records %+v, %v", records, err)
	}
	if err := disk.FillUp(); err != nil {
		t.Fatal(err)
	}
	if !node.DiskFull(t.Context()) {
		t.Error("a full disk is not")
	}
}
