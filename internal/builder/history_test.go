package builder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	controlapi "github.com/moby/buildkit/api/services/control"

	"github.com/stoker-build/stoker/internal/builder"
)

// builds counts the builds that the daemon has on record, with all of each written.
func (w world) builds(t *testing.T) int {
	t.Helper()
	c, err := w.daemon.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{EarlyExit: true})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
		_, err = c.ControlClient().UpdateBuildHistory(ctx, &controlapi.UpdateBuildHistoryRequest{Ref: event.Record.Ref, Finalize: true})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// contents counts the bytes of the daemon's content store, where it keeps traces.
func (w world) contents(t *testing.T) (bytes int64) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(w.daemon.Root(), "*", "content", "blobs"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("content stores %v: %v", dirs, err)
	}
	err = filepath.WalkDir(dirs[0], func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		bytes += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// What a daemon keeps of builds takes space; of this process's own it can be freed.
func TestForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := w.b.Nodes()[0]
	if n := node.Forget(t.Context()); n != 0 {
		t.Errorf("%d builds forgotten before any", n)
	}
	strangers := w.job(t, "stranger", dockerfiles["plain"])
	other, err := builder.Connect(t.Context(), builder.Options{Names: []string{w.daemon.Addr()}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Build(t.Context(), nil, strangers, io.Discard, builder.Watch{}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := w.b.Build(t.Context(), nil, w.job(t, fmt.Sprint("ours-", i), dockerfiles["plain"]), io.Discard, builder.Watch{}); err != nil {
			t.Fatal(err)
		}
	}
	failing := w.job(t, "failing", "FROM BASE\nRUN exit 1")
	if _, err := w.b.Build(t.Context(), nil, failing, io.Discard, builder.Watch{}); err == nil {
		t.Fatal("no error")
	}
	if n := w.builds(t); n != 5 {
		t.Fatalf("%d builds on record, want 5", n)
	}
	before := w.contents(t)
	if n := node.Forget(t.Context()); n != 4 {
		t.Errorf("%d builds forgotten, want 4", n)
	}
	if n := w.builds(t); n != 1 {
		t.Errorf("%d builds are left on record, want the stranger's", n)
	}
	if after := w.contents(t); before-after < 100_000 {
		t.Errorf("%d bytes of contents before and %d after", before, after)
	}
	if n := node.Forget(t.Context()); n != 0 {
		t.Errorf("%d builds forgotten once more", n)
	}
}
