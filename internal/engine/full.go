package engine

import (
	"context"
	"fmt"

	"math"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
)

// How often a full disk may end a job's attempts before that counts as the
// job's own failure.
const maxFull = 5

// How often it may where nothing seems to help.
const hopefulFull = 2

// diskFull deals with an attempt that a full disk ended: it removes all that is
// dead, takes one worker away and puts the job back without costing it an
// attempt. It tells whether the job goes on; where it ran alone, there was
// nothing to remove and nobody else to wait for, it does not.
func (r *run) diskFull(ctx context.Context, t *task, err error) bool {
	if err == nil || !t.outOfSpace {
		return false
	}
	t.full++
	alone := !r.othersWork()
	if r.awaitKnown(ctx) != nil {
		r.queue.back(t)
		return true
	}
	r.boundByLevel(ctx)
	s := r.stateFor(ctx, t)
	freed, sweepErr := r.freeDead(ctx)
	after := afterFull{times: t.full, alone: alone, freed: freed, swept: sweepErr == nil,
		waits: r.othersTook(ctx, s, &waiting{since: time.Now()}), fits: r.stateFor(ctx, t).fits()}
	if after.hopeless() {
		t.failed = fmt.Errorf("the disk is too small for it: %s, and %s had %s left below its limit of %s with all that no job needs removed",
			s.needs(), s.gauge, size(max(s.limit.High-s.used+freed, 0)), size(s.limit.High))
		return false
	}
	r.takeWorkerAway()
	r.room.expectMore(t, alone, s.limit.High)
	t.free++
	r.Journal.Tell(journal.DiskFull{Job: t.job.Name, Attempt: t.attempt, Error: err.Error(), Workers: r.workers()})
	r.queue.back(t)
	return true
}

// afterFull is what is known once a full disk has ended an attempt and what is
// dead was removed.
type afterFull struct {
	times int   // how often that has happened to the job
	alone bool  // no other job ran
	freed int64 // bytes that were removed
	swept bool  // nothing kept the rest from being removed
	waits bool  // others took the space, and may give it back
	fits  bool  // the job fits now
}

// hopeless tells that the job would only fill the disk again. At first it is
// not: admission may still make room by removing what is live, and where the
// full disk kept it from that, the next attempt has what this one left.
func (a afterFull) hopeless() bool {
	helpless := a.alone && a.freed == 0 && a.swept && !a.waits && !a.fits
	return a.times > maxFull || a.times > hopefulFull && helpless
}

const (
	// How long the other attempts on a full disk are waited for: most fail too,
	// and a daemon then drops what they left.
	fullWait = 10 * time.Second
	// How often it is looked whether they have ended.
	fullPause = 100 * time.Millisecond
)

// freeDead removes all that is dead, and what failed attempts left. On a disk
// that is full to the last byte BuildKit cannot, while attempts run that take
// what comes free; one that cannot be seen may be.
func (r *run) freeDead(ctx context.Context) (freed int64, err error) {
	if (r.diskIsFull() || len(r.diskPaths()) == 0) && r.calm(ctx) {
		defer r.quiet.Unlock()
	}
	freed, err = r.free(ctx, math.MaxInt64, nil)
	r.forgets(ctx)
	r.collect(ctx)
	r.holdBallast() // the next attempts may fill the disk again
	return freed, err
}

// calm waits for a while until no attempt runs, and then keeps any from
// starting, until quiet is unlocked. It tells whether it came to that.
func (r *run) calm(ctx context.Context) bool {
	for end := time.Now().Add(fullWait); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(fullPause) {
		if r.quiet.TryLock() {
			return true
		}
	}
	return false
}

// othersWork tells whether other jobs run beside the caller's.
func (r *run) othersWork() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.working > 1
}

// takeWorkerAway lowers the number of workers by one, unless it is the last:
// the caller's slot is not given back to the others.
func (r *run) takeWorkerAway() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away >= r.Workers-1 {
		return
	}
	if r.slots.TryAcquire(1) {
		r.away++
		return
	}
	// All are busy: the next that ends is not given back.
	r.away++
	r.owed++
}

// giveWorkerBack gives one worker back after a job has ended, where another
// like it would fit.
func (r *run) giveWorkerBack(ctx context.Context, t *task) {
	if r.workers() == r.Workers || ctx.Err() != nil || !r.stateFor(ctx, t).fits() {
		return
	}
	r.mu.Lock()
	if r.away == 0 {
		r.mu.Unlock()
		return
	}
	r.away--
	if r.owed > 0 {
		r.owed--
	} else {
		r.slots.Release(1)
	}
	workers := r.Workers - r.away
	r.mu.Unlock()
	r.Journal.Tell(journal.WorkersChanged{Workers: workers})
}

// workers is how many workers there are now.
func (r *run) workers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Workers - r.away
}

// release gives a job's worker back, or keeps it where one was taken away.
func (r *run) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owed > 0 {
		r.owed--
		return
	}
	r.slots.Release(1)
}
