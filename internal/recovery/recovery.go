// Package recovery lets the mending of a builder happen once at a time, among
// the jobs of a run and all processes that share the builder. The same thing is
// not mended again at once: what was mended when stands in the lock's file.
package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
)

// How often another process is asked whether it has finished mending.
const lockInterval = 100 * time.Millisecond

// Turns gives out turns at mending one builder. Its methods may be called
// concurrently, but for changes of its fields.
type Turns struct {
	// Path is the lock's file, which is made when it is missing. Processes that
	// name the same one take turns.
	Path string
	// Interval is how long a thing that was mended is left alone.
	Interval time.Duration

	mu sync.Mutex
}

// Of returns the turns at mending one part of the builder, such as a node of it.
func (t *Turns) Of(part string) *Turns {
	return &Turns{Path: t.Path + "." + digest.FromString(part).Encoded()[:16], Interval: t.Interval}
}

// Take waits for its turn and calls mend. With a thing to mend that has been
// mended less than Interval ago, here or in another process, it does nothing
// and returns false; "" is nothing that others would mend too. The error is
// mend's, ctx's, or says that the lock cannot be had.
func (t *Turns) Take(ctx context.Context, thing string, mend func(context.Context) error) (mended bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(t.Path), 0o700); err != nil {
		return false, err
	}
	lock := flock.New(t.Path)
	if _, err := lock.TryLockContext(ctx, lockInterval); err != nil {
		return false, fmt.Errorf("the recovery lock %s: %w", t.Path, errors.Join(err, context.Cause(ctx)))
	}
	defer func() { err = errors.Join(err, lock.Close()) }()

	past := t.read()
	if thing != "" && recent(past[thing], time.Now(), t.Interval) {
		return false, nil
	}
	if err := mend(ctx); err != nil {
		return true, err
	}
	if thing == "" {
		return true, nil
	}
	past[thing] = time.Now()
	return true, t.write(past)
}

// recent tells whether something happened less than an interval ago. A time in
// the future is of a clock that was wrong, and tells nothing.
func recent(then, now time.Time, interval time.Duration) bool {
	age := now.Sub(then)
	return age >= 0 && age < interval
}

// read returns what was mended when. A file that makes no sense, such as an
// empty or torn one, or a lock's file of other software, tells of nothing.
func (t *Turns) read() map[string]time.Time {
	past := map[string]time.Time{}
	data, err := os.ReadFile(t.Path)
	if err != nil || json.Unmarshal(data, &past) != nil || past == nil {
		return map[string]time.Time{}
	}
	return past
}

// write keeps what is still recent. The file is written in place, since it is
// the one that is locked.
func (t *Turns) write(past map[string]time.Time) error {
	for thing, then := range past {
		if !recent(then, time.Now(), t.Interval) {
			delete(past, thing)
		}
	}
	data, err := json.Marshal(past)
	if err != nil {
		return err
	}
	return os.WriteFile(t.Path, append(data, '\n'), 0o600)
}
