// Package cache judges what a builder holds: given its records and the jobs of
// a plan, it tells which records are live, which are dead and which are
// foreign, and in which order the dead ones can be removed. It is pure: it does
// no I/O and knows BuildKit only by the facts that its comments state.
package cache

import "time"

// The record types of BuildKit that matter here (UsageRecordType in its client
// package). An empty kind counts as KindRegular.
const (
	KindRegular    = "regular"
	KindLocal      = "source.local"
	KindGit        = "source.git.checkout"
	KindCacheMount = "exec.cachemount"
	KindFrontend   = "frontend"
	KindInternal   = "internal"
)

// Record is one entry of a builder's cache, as BuildKit's DiskUsage lists it.
type Record struct {
	ID string
	// Parents are the ids of the records it is stacked on: one for a layer, two
	// or more for a merge or a diff, none for a bottom layer, the content of a
	// COPY --link, a local context or a cache mount. DiskUsage fills them, the
	// filters of prune do not see them.
	Parents []string
	// Description says where it came from: "pulled from REF@DIGEST", "mount /
	// from exec ARGS", "[2/3] COPY ...". A layer that was resolved but not
	// pulled yet has none (lazyRefProvider.Unlazy in BuildKit's cache/remote.go
	// sets it).
	Description string
	Kind        string
	// Size is in bytes; 0 while a running step writes to the record.
	Size       int64
	CreatedAt  time.Time
	LastUsedAt time.Time // zero when it was never used after its making
	UsageCount int
	InUse      bool // a running build holds it; it cannot be deleted now
	Mutable    bool
	Shared     bool
}

// State is what a record is to a plan.
type State uint8

// The states. The zero State is Foreign: what nothing explains is not touched.
const (
	Foreign State = iota // not of this plan
	Live                 // an unfinished job needs it, or may
	Dead                 // of this plan, and no unfinished job needs it
)

// String returns the word for s.
func (s State) String() string { return [...]string{"foreign", "live", "dead"}[s] }

// Reason says why a record has its state.
type Reason uint8

// The reasons, with the states that they go with.
const (
	// NotOfPlan: nothing connects it with the plan (foreign).
	NotOfPlan Reason = iota
	// OtherStep: it hangs on a base image of the plan, but the plan has no such
	// step: somebody else built on the same base image (foreign).
	OtherStep
	// Unreadable: its lineage is incomplete, circular or ambiguous (foreign).
	Unreadable
	// Needed: Verdict.Job needs it (live).
	Needed
	// Held: the run made it, but for which jobs cannot be told, so it stays
	// until the run ends (live). See Report.Held.
	Held
	// KeptByChild: it would be dead, but BuildKit deletes no record that has a
	// child, and a child of it is not dead (live or foreign, as the child).
	KeptByChild
	// Finished: all jobs that it is of are finished, Verdict.Job last (dead).
	Finished
	// RunOver: the run made it, and no job is unfinished (dead).
	RunOver
)

// String returns a phrase for people.
func (r Reason) String() string {
	return [...]string{
		"not of this plan", "another build's step on the same base image", "unreadable lineage",
		"needed", "held until the run ends", "kept by a child", "all its jobs are finished",
		"the run is over",
	}[r]
}

// used is when the record was last used, or made.
func (r *Record) used() time.Time {
	if r.LastUsedAt.After(r.CreatedAt) {
		return r.LastUsedAt
	}
	return r.CreatedAt
}
