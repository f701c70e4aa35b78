package live

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// pace is how often is looked for what another process has written.
const pace = 500 * time.Millisecond

// Follower has a Run keep up with what another process writes into its directory.
type Follower struct {
	dir    string
	run    *Run
	events *ledger.EventsTail
}

// Open reads the run in a directory, which may go on or have ended. The error is a
// *ledger.NoRunError where there is none.
func Open(dir string) (*Follower, error) {
	f := &Follower{dir: dir, run: &Run{followed: true}}
	return f, f.begin()
}

// Run is the run that is followed.
func (f *Follower) Run() *Run { return f.run }

// begin reads all that is there.
func (f *Follower) begin() error {
	record, err := ledger.Look(f.dir)
	if err != nil {
		return err
	}
	events := ledger.TailEvents(f.dir)
	f.run.begin(record)
	for {
		lines, replaced, err := events.Next()
		if err != nil {
			return err
		}
		if len(lines) == 0 || replaced {
			break
		}
		f.apply(lines)
	}
	f.events = events
	if !record.Writing {
		f.run.over(record.Summary)
	}
	return nil
}

// Follow keeps up until ctx is done. A run that is gone on with, or replaced by another, is
// followed as well.
func (f *Follower) Follow(ctx context.Context) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := f.keepUp()
		if noRun := (*ledger.NoRunError)(nil); err != nil && !errors.As(err, &noRun) {
			return err
		}
	}
}

// keepUp takes in what is new.
func (f *Follower) keepUp() error {
	held, err := ledger.Held(f.dir) // before the events, so that the last ones are read
	if err != nil {
		return err
	}
	lines, replaced, err := f.events.Next()
	if err != nil {
		return err
	}
	_, ended := f.run.changed()
	if replaced || begins(lines) {
		return f.begin()
	}
	f.apply(lines)
	if !held && len(lines) == 0 && !ended {
		f.run.over(nil)
	}
	return nil
}

// begins tells whether a run began, or was gone on with, within some lines.
func begins(lines []byte) bool {
	for line := range bytes.Lines(lines) {
		if _, e, err := journal.Unmarshal(line); err == nil {
			if _, yes := e.(journal.RunStarted); yes {
				return true
			}
		}
	}
	return false
}

func (f *Follower) apply(lines []byte) {
	_ = journal.Replay(bytes.NewReader(lines), f.run.Apply) // a buffer can be read
}
