// Package journal is what happened in a run: typed events, in order, told once to
// whoever wants to know. Terminal, files, report and status are made from these
// alone, during the run or read back after it.
package journal

import (
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// Event is one thing that happened in a run. The types below are all there are;
// observers switch on them. Events are values and must not be changed.
type Event interface {
	// Kind is the event's name in events.jsonl.
	Kind() string
}

// Seconds is a duration as events have it.
func Seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// Limit is what a registry tells of how often it may be asked.
type Limit struct {
	// Total requests are allowed in each Window (seconds; 0 where it is not told), of
	// which Remaining are left.
	Total     int     `json:"limit"`
	Remaining int     `json:"remaining"`
	Window    float64 `json:"window_seconds,omitempty"`
	// Reset is when Total are allowed again; nil where it is not told.
	Reset *ledger.Time `json:"reset,omitempty"`
}

type (
	// RunStarted is the first event of every run.
	RunStarted struct {
		Jobs      int      `json:"jobs"`
		Batches   int      `json:"batches"`
		BatchSize int      `json:"batch_size"`
		Workers   int      `json:"workers"`
		Nodes     []string `json:"nodes"`
		OutputDir string   `json:"output_dir"`
		// Kept jobs were finished by an earlier run with which this one goes on, and so
		// were all jobs of KeptBatches.
		Kept        int `json:"kept,omitempty"`
		KeptBatches int `json:"kept_batches,omitempty"`
	}

	// JobStarted tells that a worker took a job; its attempts follow.
	JobStarted struct {
		Job   string `json:"job"`
		Base  string `json:"base_image"`
		Batch int    `json:"batch"`
		// Images are those that its build reads, where no base image is given.
		Images []string `json:"images,omitempty"`
		// Node is the one that it is built on; empty where several build it together.
		Node string `json:"node,omitempty"`
	}

	// AttemptStarted tells that a build of a job begins.
	AttemptStarted struct {
		Job     string `json:"job"`
		Attempt int    `json:"attempt"`
		Log     string `json:"log_path"`
	}

	// StepStarted tells which step of its Dockerfile an attempt has reached.
	// Step is BuildKit's own name of it, such as "[2/5] RUN make".
	StepStarted struct {
		Job  string `json:"job"`
		Step string `json:"step"`
	}

	// AttemptFailed tells that an attempt failed. When Retry is set, the next
	// one starts after Delay seconds.
	AttemptFailed struct {
		Job     string `json:"job"`
		Attempt int    `json:"attempt"`
		Error   string `json:"error"`
		Class   string `json:"class"`
		// Failure is all that is known of why.
		Failure *ledger.Failure `json:"failure,omitempty"`
		Retry   bool            `json:"retry"`
		Delay   float64         `json:"delay_seconds,omitempty"`
	}

	// Assembled tells that an attempt has put an image together in its registry, from
	// layers that were in registries already. CopiedBytes of them were not where the
	// registry could mount them.
	Assembled struct {
		Job         string `json:"job"`
		Attempt     int    `json:"attempt"`
		Digest      string `json:"digest"`
		Layers      int    `json:"layers"`
		CopiedBytes int64  `json:"copied_bytes,omitempty"`
	}

	// JobFinished carries the line that was added to the manifest.
	JobFinished struct {
		Entry ledger.Entry `json:"entry"`
	}

	// PullStarted tells that a node pulls images ahead of a job that waits for a worker and
	// needs their layers.
	PullStarted struct {
		Job    string   `json:"job"`
		Node   string   `json:"node"`
		Images []string `json:"images"`
	}

	// PullFinished tells how that ended. The layers are there, if they are Pulled. Else
	// the job pulls them: where there is no Error, since somebody needed the room or the
	// quiet.
	PullFinished struct {
		Job      string   `json:"job"`
		Node     string   `json:"node"`
		Images   []string `json:"images"`
		Pulled   bool     `json:"pulled"`
		Duration float64  `json:"duration_seconds"`
		Error    string   `json:"error,omitempty"`
	}

	// LayerPulled tells of a layer that a node has pulled, of which a job's build, or a pull
	// ahead of it, was the first to tell. Where several nodes build a job together, Node is one
	// of them.
	LayerPulled struct {
		Job    string `json:"job"`
		Node   string `json:"node"`
		Digest string `json:"digest"`
		Bytes  int64  `json:"bytes"` // as it came, which is compressed
	}

	// BatchFinished tells that the last job of a batch has finished.
	BatchFinished struct {
		Batch   int `json:"batch"`
		Built   int `json:"built"`
		Skipped int `json:"skipped"`
		Failed  int `json:"failed"`
		// SkippedDependency jobs are not among Skipped.
		SkippedDependency int `json:"skipped_dependency,omitempty"`
	}

	// Surveying tells of how many jobs it is known what they do, while the builder
	// is asked.
	Surveying struct {
		Jobs  int `json:"jobs"`
		Known int `json:"known"`
	}

	// WaitingForSpace tells that the next job would fit no bound, and waits.
	// Running jobs will end, or a sweep will help.
	WaitingForSpace struct {
		Job       string `json:"job"`
		NeedBytes int64  `json:"need_bytes"`
		// Guessed says that the need is not known, and only assumed.
		Guessed   bool   `json:"guessed,omitempty"`
		FreeBytes int64  `json:"free_bytes"`
		Running   int    `json:"running"`
		Bound     string `json:"bound"`
		Node      string `json:"node,omitempty"`
	}

	// DiskFull tells that the disk was full during an attempt. The job is tried
	// again when there is space, with fewer jobs beside it.
	DiskFull struct {
		Job     string `json:"job"`
		Attempt int    `json:"attempt"`
		Error   string `json:"error"`
		Workers int    `json:"workers"`
	}

	// BuilderLost tells that the daemon does not answer. It is waited for,
	// and the attempt does not count. Where no build ran, there is no job.
	BuilderLost struct {
		Job     string `json:"job"`
		Attempt int    `json:"attempt"`
		Error   string `json:"error"`
		Node    string `json:"node,omitempty"`
	}

	// RegistryThrottled tells that a registry, or a mirror, asks for fewer requests. Jobs
	// that use it wait, without a worker, until one of them may ask again.
	RegistryThrottled struct {
		Registry string `json:"registry"`
		// MirrorOf is the registry whose images it was asked for, where it is a mirror.
		MirrorOf string `json:"mirror_of,omitempty"`
		// Until is when it is asked again. Told says that the registry said so itself.
		Until ledger.Time `json:"until"`
		Told  bool        `json:"told,omitempty"`
		// Tries is how often in a row it has refused.
		Tries int `json:"tries"`
		// GivenUp says that this run does not wait for it any more.
		GivenUp bool `json:"given_up,omitempty"`
		// Limit is what it told of its limit; nil where it did not.
		Limit *Limit `json:"limit,omitempty"`
	}

	// RegistryAnswers tells that a registry that asked for fewer requests has let a
	// job through.
	RegistryAnswers struct {
		Registry string `json:"registry"`
	}

	// RegistryLimit tells what a registry says of how often it may be asked.
	RegistryLimit struct {
		Registry string `json:"registry"`
		Limit
	}

	// JobWaiting tells that a job went back to the queue, since registries that it uses
	// ask for fewer requests, or since its node does not answer and another can build it.
	JobWaiting struct {
		Job        string   `json:"job"`
		Registries []string `json:"registries"`
		Node       string   `json:"node,omitempty"`
	}

	// JobHeld tells that an attempt failed in the same way as that at another job, For,
	// which is tried again first. Until that is known, the job has no worker; what
	// becomes of it then, AttemptFailed tells.
	JobHeld struct {
		Job   string `json:"job"`
		For   string `json:"for"`
		Error string `json:"error"`
		Class string `json:"class"`
	}

	// Recovered tells that something was mended so that a failed attempt can be
	// made again. It was skipped where the same had just been done.
	Recovered struct {
		Job     string  `json:"job"`
		Attempt int     `json:"attempt"`
		Mending Mending `json:"mending"`
		Node    string  `json:"node,omitempty"`
		Skipped bool    `json:"skipped,omitempty"`
		Records int     `json:"reclaimed_records,omitempty"`
		Bytes   int64   `json:"reclaimed_bytes,omitempty"`
	}

	// WorkersChanged tells how many workers there are again after a full disk.
	WorkersChanged struct {
		Workers int `json:"workers"`
	}

	// SweepStarted tells that the sweep after a batch begins. Batch 0 is the
	// last sweep of a run, or with Pressure one that only makes room, which is told of
	// where it found something or failed.
	SweepStarted struct {
		Node     string `json:"node"`
		Batch    int    `json:"batch"`
		Pressure bool   `json:"pressure,omitempty"`
	}

	// SweepFinished tells what a sweep found and removed. Error says why it
	// ended early, if it did.
	//
	// Large: its fields are those of the event, which programs read.
	SweepFinished struct {
		Node               string  `json:"node"`
		Batch              int     `json:"batch"`
		Pressure           bool    `json:"pressure,omitempty"`
		Slices             int     `json:"slices"`
		DeadRecords        int     `json:"dead_records"`
		DeadBytes          int64   `json:"dead_bytes"`
		BusyRecords        int     `json:"busy_records"`
		BusyBytes          int64   `json:"busy_bytes"`
		ReclaimedRecords   int     `json:"reclaimed_records"`
		ReclaimedBytes     int64   `json:"reclaimed_bytes"`
		RefusedRecords     int     `json:"refused_records"`
		RefusedBytes       int64   `json:"refused_bytes"`
		LiveRemovedRecords int     `json:"live_removed_records"`
		LongestSlice       float64 `json:"longest_slice_seconds"`
		Duration           float64 `json:"duration_seconds"`
		Error              string  `json:"error,omitempty"`
	}

	// Forecast tells how full a node is expected to become, and what it pulls, before most is
	// built.
	Forecast struct {
		Node string `json:"node"`
		// Bound is the tightest; empty where nothing is bounded.
		Bound     string `json:"bound,omitempty"`
		PeakBytes int64  `json:"peak_bytes"`
		// PullBytes are the different layers' compressed bytes, SharedBytes those of layers
		// that are not pulled again since several jobs share them.
		PullBytes   int64 `json:"pull_bytes"`
		SharedBytes int64 `json:"shared_bytes"`
		// Curve is what is used as each of so many Jobs starts, thinned.
		Jobs  int     `json:"jobs"`
		Curve []int64 `json:"curve"`
	}

	// Sampled tells how full a node is, and how many jobs run there and wait for it.
	Sampled struct {
		Node string `json:"node"`
		// Bound is what is nearest to be full; empty where nothing is bounded. Of it,
		// UsedBytes are used, ReservedBytes promised to running jobs, and HighBytes the
		// most that may be; what makes room goes on until LowBytes are used. Where it cannot
		// be read, Unknown is set.
		Bound         string `json:"bound,omitempty"`
		UsedBytes     int64  `json:"used_bytes"`
		ReservedBytes int64  `json:"reserved_bytes"`
		LowBytes      int64  `json:"low_bytes"`
		HighBytes     int64  `json:"high_bytes"`
		Unknown       bool   `json:"unknown,omitempty"`
		// Cache is what the node's cache was made of when that was last looked at; nil
		// before, and where it cannot be listed.
		Cache *Parts `json:"cache,omitempty"`
		// Workers of the node there are, of which Running are at work.
		Workers int `json:"workers"`
		Running int `json:"running"`
		// Waiting counts the jobs that wait, by what they wait for: a worker, space, a
		// registry, another job's image or the pause before their next attempt.
		Waiting map[string]int `json:"waiting,omitempty"`
	}

	// Parts are the bytes of a cache, by what they are to the run.
	Parts struct {
		Live     int64 `json:"live_bytes"`
		Dead     int64 `json:"dead_bytes"`
		Foreign  int64 `json:"foreign_bytes"`
		LeftOver int64 `json:"left_over_bytes"`
	}

	// Lost tells an observer that it was too slow for some events. It is in no file.
	Lost struct {
		Events int `json:"events"`
	}

	// Warning is something that a person should know and that stops nothing.
	// Job is empty when it concerns the run.
	Warning struct {
		Job     string `json:"job,omitempty"`
		Message string `json:"message"`
		// Note says that nothing is wrong.
		Note bool `json:"note,omitempty"`
	}

	// Stopping tells that no new job is started, and why.
	Stopping struct {
		Reason string `json:"reason"`
	}

	// RunFinished is the last event of every run.
	RunFinished struct {
		Summary ledger.Summary `json:"summary"`
		// Gone says that the output directory, or the record in it, was taken away: the
		// summary is not there.
		Gone bool `json:"gone,omitempty"`
	}
)
