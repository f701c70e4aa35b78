package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// fill leaves no byte free on a disk, but for what files have of their last
// blocks.
func fill(t *testing.T, disk *lab.Disk) {
	t.Helper()
	for size := int64(16 << 20); size >= 1<<10; {
		if err := disk.Fill(size); err != nil {
			size /= 2
		}
	}
}

func TestFullDisk(t *testing.T) {
	disk := labtest.Disk(t, 16<<20)
	options := ledger.StartOptions{Now: time.Now(), Mode: ledger.Resume,
		Plan: ledger.PlanID{Jobs: []ledger.PlanJob{{Name: "first"}, {Name: "large"}, {Name: "small"}}}}
	dir := filepath.Join(disk.Path(), "out")
	l, _, err := ledger.Start(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(ledger.Entry{Name: "first", Status: ledger.Built}); err != nil {
		t.Fatal(err)
	}
	fill(t, disk)
	// Larger than what is left of the block, so that the first part of it fits.
	text := strings.Repeat("because ", 8<<10)
	large := ledger.Entry{Name: "large", Status: ledger.Built, Error: &text}
	for range 3 {
		if err := l.Add(large); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("on a full disk: %v", err)
		}
		checkManifest(t, dir, "first")
	}
	if err := l.Event([]byte(`"` + text + `"`)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("an event on a full disk: %v", err)
	}
	if err := disk.Unfill(); err != nil {
		t.Fatal(err)
	}
	for _, e := range []ledger.Entry{{Name: "small", Status: ledger.Built}, large} {
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Event([]byte(`{}`)); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	checkManifest(t, dir, "first small large")
	if events, err := os.ReadFile(filepath.Join(dir, ledger.EventsFile)); err != nil || string(events) != "{}\n" {
		t.Errorf("events %q %v", events, err)
	}
	l, resumed, err := ledger.Start(dir, options)
	if err != nil || len(resumed.Entries) != 3 || len(resumed.Notes) > 0 {
		t.Errorf("resumed %+v, %v", resumed, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func checkManifest(t *testing.T, dir, want string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, ledger.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := ledger.ReadManifest(f)
	var names []string
	for _, e := range m.Entries {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); err != nil || len(m.Notes) > 0 || got != want {
		t.Errorf("the manifest holds %q, want %q; notes %q, %v", got, want, m.Notes, err)
	}
}
