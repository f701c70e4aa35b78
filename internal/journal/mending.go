package journal

// Mending is one way to mend a builder.
type Mending string

// The ways.
const (
	// MendBuilder waited for a daemon that was lost, or started it again.
	MendBuilder Mending = "builder"
	// MendOwn removed the records of the job's own steps.
	MendOwn Mending = "own_records"
	// MendBase removed the job's base layers too, but those that other
	// unfinished jobs share.
	MendBase Mending = "base_records"
	// MendNoCache removed those as well, with all that stands on them, and
	// leaves the cache out of the next attempt.
	MendNoCache Mending = "no_cache"
)
