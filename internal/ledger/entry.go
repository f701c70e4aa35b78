package ledger

import (
	"fmt"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Status tells how a job ended.
type Status string

// The ways a job can end. A job that was cut short by an interrupt has no
// entry at all: it is not finished.
const (
	Built   Status = "built"
	Skipped Status = "skipped_remote_exists"
	// SkippedDependency is how a job ends that is built on another, which has failed.
	SkippedDependency Status = "skipped_dependency"
	Failed            Status = "failed"
)

// Made tells that a job that ended so has an image.
func (s Status) Made() bool { return s == Built || s == Skipped }

// The SkipReasons of jobs that are skipped.
const (
	TagExists        = "remote_exists"
	DependencyFailed = "dependency_failed"
	// CutShortExists is TagExists of a job that an earlier run has begun and not ended.
	CutShortExists = "remote_exists_cut_short"
)

// Entry is one line of manifest.jsonl: one finished job. Field names that other
// batch builders' manifests use too keep their meaning, so that existing
// readers read this file. Durations are in seconds; times are UTC.
//
// Large: its fields are those of a line, which programs read.
type Entry struct {
	Time      Time   `json:"time"`
	Name      string `json:"name"`
	BaseImage string `json:"base_image"`
	// Images are those that the job's build reads, where no base image is given.
	Images []string `json:"images,omitempty"`
	Tags   []string `json:"tags"`
	Digest string   `json:"digest"`
	// Descriptor is the image's own, and ConfigDigest that of its configuration, as
	// far as the build told.
	Descriptor   *ocispecs.Descriptor `json:"descriptor,omitempty"`
	ConfigDigest string               `json:"config_digest,omitempty"`

	// Pushed tells whether a built image went to a registry; nil where that is not on
	// record.
	Pushed *bool `json:"pushed,omitempty"`

	// Assembled tells that a built image was put together in its registry from layers that
	// were there, without a builder.
	Assembled bool `json:"assembled,omitempty"`
	// NotAssembled is why the builder has made an image that only has files copied onto its
	// base image, and that was pushed; empty for others.
	NotAssembled string `json:"not_assembled,omitempty"`

	Status     Status  `json:"status"`
	SkipReason *string `json:"skip_reason"`
	// FailedDependency is the name of the job that has failed, on which a job is built at
	// last that is skipped for that; empty for others.
	FailedDependency string  `json:"failed_dependency,omitempty"`
	Error            *string `json:"error"`
	// ErrorClass says what kind of failure the last failed attempt was, such as
	// permanent, transient, no_space or timeout; empty when none failed.
	ErrorClass string `json:"error_class,omitempty"`
	// Failure tells why the last failed attempt did; null when none failed, and in
	// records of versions that did not tell.
	Failure *Failure `json:"failure,omitempty"`
	// LogPath is the log of the last attempt, below the output directory as
	// that was named; null when nothing was attempted.
	LogPath      *string `json:"log_path"`
	Batch        int     `json:"batch"`
	Node         string  `json:"node"`
	AttemptCount int     `json:"attempt_count"`
	StartedAt    Time    `json:"started_at"`
	FinishedAt   Time    `json:"finished_at"`

	// DurationSeconds is the job's whole time, from its first check to its end,
	// waits between attempts included. The next three are its parts.
	DurationSeconds    float64 `json:"duration_seconds"`
	RemoteCheckSeconds float64 `json:"remote_check_seconds"`
	BuildSeconds       float64 `json:"build_seconds"`
	PostBuildSeconds   float64 `json:"post_build_seconds"`

	Timings
	// Phases is where that whole time went, over all attempts; nil where none was made,
	// and in records of versions that did not tell.
	Phases *Phases `json:"phases,omitempty"`
}

// InRegistry tells whether the image is known to be in the registries of its tags.
func (e Entry) InRegistry() bool {
	return e.Status == Skipped || e.Status == Built && e.Pushed != nil && *e.Pushed
}

// Cause tells why a job failed, also where its entry has only the words.
func (e Entry) Cause() Failure {
	if e.Failure != nil {
		return *e.Failure
	}
	return Failure{Class: e.ErrorClass, Message: deref(e.Error)}
}

// FailedJob tells why a job failed, without the tail of its log.
func (e Entry) FailedJob() FailedJob {
	return FailedJob{
		Name: e.Name, BaseImage: e.BaseImage, Error: deref(e.Error),
		AttemptCount: e.AttemptCount, Failure: e.Cause(), LogPath: deref(e.LogPath),
	}
}

// SlowJob is the job as one of those that took longest.
func (e Entry) SlowJob() SlowJob {
	return SlowJob{Name: e.Name, BaseImage: e.BaseImage, DurationSeconds: e.DurationSeconds, AttemptCount: e.AttemptCount}
}

// End is when the job ended, of which was told at a time.
func (e Entry) End(told time.Time) time.Time {
	if e.FinishedAt.IsZero() || e.FinishedAt.After(told) {
		return told
	}
	return e.FinishedAt.Time
}

// Timings are what BuildKit's own progress told of an attempt: the seconds of
// certain steps (steps that run side by side count once) and the step counts.
type Timings struct {
	ContextSeconds     float64 `json:"context_seconds"`
	CacheImportSeconds float64 `json:"cache_import_seconds"`
	ExportSeconds      float64 `json:"export_seconds"`
	PushSeconds        float64 `json:"push_seconds"`
	CachedStepCount    int     `json:"cached_step_count"`
	StepCount          int     `json:"step_count"`
}

// Time is a UTC time that is written in RFC 3339 with milliseconds, a form that
// every JSON reader's date parser accepts.
type Time struct{ time.Time }

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes the time as a string; the zero time as null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(timeFormat) + `"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes and any other RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = Time{}
		return nil
	}
	if err := t.Time.UnmarshalJSON(b); err != nil {
		return err
	}
	// Near the ends of what RFC 3339 can say, UTC may be past them.
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return fmt.Errorf("the time %s has no year of four digits in UTC", b)
	}
	return nil
}

// Skipped says in words why the job was skipped; empty for one that was not.
func (e Entry) Skipped() string {
	if e.Status == SkippedDependency {
		return "built on " + e.FailedDependency + ", which failed"
	}
	switch why := deref(e.SkipReason); why {
	case TagExists:
		return "its tag exists already"
	case CutShortExists:
		return "its tag exists, which the attempt that was cut short has pushed, most likely"
	default:
		return why
	}
}
