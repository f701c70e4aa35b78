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

// AskedAbout begins the descriptions of records that a builder makes of the
// Dockerfiles that it is asked about. They are of no further use to anybody.
const AskedAbout = "stoker asks about "

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
	Size int64
	// CreatedAt is the moment that its step was done, a moment before the builder's
	// progress tells so; for a mutable record that it began.
	CreatedAt  time.Time
	LastUsedAt time.Time // zero when it was never used after its making
	// Mutable tells that BuildKit keeps it writable: nothing stands on it, and it
	// was not exported. It has another ID while a build uses it.
	Mutable bool
	InUse   bool // a running build holds it; it cannot be deleted now
	// Old tells that the daemon is one before BuildKit v0.10, such as docker's up to
	// 20.10. It makes a record when the next step begins, or the image is exported,
	// and CreatedAt is that moment.
	Old bool
}

// State is what a record is to a plan.
type State uint8

// The states. The zero State is Foreign: what nothing explains is not touched.
const (
	Foreign  State = iota // not of this plan
	Live                  // an unfinished job needs it, or may
	Dead                  // of this plan, and no unfinished job needs it
	LeftOver              // of an earlier run, on a builder that nobody else uses
)

// String returns the word for s.
func (s State) String() string { return [...]string{"foreign", "live", "dead", "left over"}[s] }

// Reason says why a record has its state.
type Reason uint8

// The reasons, with the states that they go with.
const (
	// NotOfPlan: nothing connects it with the plan (foreign, left over).
	NotOfPlan Reason = iota
	// OtherBuild: the plan has such a step or layer, but it was not the plan's
	// builds that made this one (foreign).
	OtherBuild
	// Unreadable: its lineage is incomplete or circular (foreign).
	Unreadable
	// Mount: it is a cache mount, which is for the builds of other days, too
	// (foreign).
	Mount
	// Needed: Verdict.Job needs it (live).
	Needed
	// Held: the run made it, but for which jobs cannot be told, so it stays
	// until the run ends (live).
	Held
	// KeptByChild: it would be dead or left over, but BuildKit deletes no record
	// that has a child, and a child of it stays (as the child).
	KeptByChild
	// Finished: all jobs that it is of are finished, Verdict.Job last (dead).
	Finished
	// RunOver: the run made it, and no job is unfinished (dead).
	RunOver
)

// String returns a phrase for people.
func (r Reason) String() string {
	return [...]string{
		"not of this plan", "another build's", "unreadable lineage", "a cache mount",
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

func (r *Record) isRegular() bool { return r.Kind == "" || r.Kind == KindRegular }
