package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The functions below damage what a BuildKit daemon keeps below its root, as a failing disk or a
// power cut does. The daemon should not be running: it knows its files, and may have some open.

// CutBlob cuts a blob of a daemon's content store to half of its length.
func CutBlob(root, digest string) error {
	return withBlob(root, digest, func(blob *os.File, size int64) error { return blob.Truncate(size / 2) })
}

// SpoilBlob changes a byte in the middle of a blob of a daemon's content store.
func SpoilBlob(root, digest string) error {
	return withBlob(root, digest, func(blob *os.File, size int64) error {
		at := make([]byte, 1)
		if _, err := blob.ReadAt(at, size/2); err != nil {
			return err
		}
		at[0] ^= 0xff
		_, err := blob.WriteAt(at, size/2)
		return err
	})
}

// RemoveBlob removes a blob's file from a daemon's content store, which still lists it.
func RemoveBlob(root, digest string) error { return os.Remove(blobPath(root, digest)) }

func blobPath(root, digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return filepath.Join(root, "runc-overlayfs/content/blobs", algorithm, hex)
}

func withBlob(root, digest string, do func(blob *os.File, size int64) error) error {
	blob, err := os.OpenFile(blobPath(root, digest), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer blob.Close()
	info, err := blob.Stat()
	if err != nil {
		return err
	}
	return do(blob, info.Size())
}

// RemoveSnapshots removes the directories of all snapshots whose own layer has a file, named by
// its path in the image; the daemon still lists them. There must be at least one.
func RemoveSnapshots(root, file string) error {
	snapshots := filepath.Join(root, "runc-overlayfs/snapshots/snapshots")
	found, err := filepath.Glob(filepath.Join(snapshots, "*", "fs", file))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no snapshot below %s has %s", snapshots, file)
	}
	var errs []error
	for _, path := range found {
		id, _, _ := strings.Cut(strings.TrimPrefix(path, snapshots+"/"), "/")
		errs = append(errs, os.RemoveAll(filepath.Join(snapshots, id)))
	}
	return errors.Join(errs...)
}

// SpoilDatabase overwrites the head of the database of a daemon's content store and snapshots,
// without which the daemon does not start.
func SpoilDatabase(root string) error {
	database, err := os.OpenFile(filepath.Join(root, "runc-overlayfs/containerdmeta.db"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer database.Close()
	_, err = database.WriteAt(make([]byte, 64<<10), 0)
	return err
}
