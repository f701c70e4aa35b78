package ledger

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/plural"
)

// Summary is the totals of a run, as summary.json holds them. Durations are in
// seconds. It is computed from a run's entries alone, so that it can be made
// again from manifest.jsonl at any time.
//
// Large: its fields are those of the file, which programs read.
type Summary struct {
	Total   int `json:"total"`
	Built   int `json:"built"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`
	// SkippedDependency jobs were not built since others have failed, on which they are
	// built: those of FailedDependencies. They are not among Skipped.
	SkippedDependency int `json:"skipped_dependency,omitempty"`
	// KeptBuilt and KeptSkipped are those of Built and Skipped that an earlier run had
	// finished, with which this one went on.
	KeptBuilt   int `json:"kept_built,omitempty"`
	KeptSkipped int `json:"kept_skipped,omitempty"`
	// CutShortExist are those of Skipped of this run that an earlier one had begun and not
	// ended.
	CutShortExist int `json:"cut_short_exist,omitempty"`
	// Assembled are those of Built of this run that were put together in their registry,
	// without a builder.
	Assembled int `json:"assembled,omitempty"`
	// NotAssembled are, by the reason, those of Built of this run that the builder has made,
	// though they only have files copied onto their base image; nil for none.
	NotAssembled map[string]int `json:"not_assembled,omitempty"`
	// TagsHashed tells that each tag has a hash of what is built in it: that it exists
	// means that nothing has changed.
	TagsHashed bool `json:"tags_hashed,omitempty"`
	// Unfinished jobs were planned but have no entry, since the run was
	// interrupted or stopped early.
	Unfinished int `json:"unfinished"`
	// Retried jobs of this run needed more than one attempt, whether they ended built or
	// failed.
	Retried     int    `json:"retried"`
	Interrupted bool   `json:"interrupted"`
	StopReason  string `json:"stop_reason,omitempty"`
	// ResumeCommand is the shell command that goes on with a run of which jobs
	// are left or failed, in the same directory; secrets are taken out of it.
	ResumeCommand string `json:"resume_command,omitempty"`
	// ResumeAfter is when it makes sense to go on with a run that ended since registries
	// ask for fewer requests; nil for any other.
	ResumeAfter *Time `json:"resume_after,omitempty"`

	StartedAt         Time    `json:"started_at"`
	FinishedAt        Time    `json:"finished_at"`
	WallClockSeconds  float64 `json:"wall_clock_seconds"`
	CumulativeSeconds float64 `json:"cumulative_duration_seconds"`
	AverageSeconds    float64 `json:"average_build_seconds"`
	MedianSeconds     float64 `json:"median_build_seconds"`
	MaxSeconds        float64 `json:"max_build_seconds"`
	ImagesPerHour     float64 `json:"images_per_hour"`

	// Phases is where the time of all jobs went; nil where no entry tells.
	Phases *Phases `json:"phases,omitempty"`
	// Compressing is nil where nothing could be tried, or little be saved.
	Compressing *Compressing `json:"compressing,omitempty"`

	// Steps tells how often the jobs' steps were run; nil where that is not known.
	Steps *Steps `json:"steps,omitempty"`

	SkipReasons  map[string]int `json:"skip_reasons,omitempty"`
	Slowest      []SlowJob      `json:"slowest_builds"`
	FailedBuilds []FailedJob    `json:"failed_builds"`
	// FailureGroups are the failures by their causes, those of most jobs first.
	FailureGroups []FailureGroup `json:"failure_groups,omitempty"`
	// FailedDependencies are the failed jobs on which others would have been built.
	FailedDependencies Dependants `json:"failed_dependencies,omitempty"`

	// Nodes are those of a run on several.
	Nodes []NodeSummary `json:"nodes,omitempty"`
	// Recoveries counts how often the builder was mended, by the way it was.
	Recoveries map[string]int `json:"recoveries,omitempty"`

	Prune *Prune `json:"prune,omitempty"`
	// Cache is nil where a node was never looked at.
	Cache *Cache `json:"cache,omitempty"`
	Space *Space `json:"space,omitempty"`
	// PulledBytes is what the nodes pulled, compressed, as they told; nil where one does not tell.
	PulledBytes *int64 `json:"pulled_bytes,omitempty"`
	// ForecastPullBytes is the compressed bytes of the layers that the run was forecast to
	// need; nil where that is not known.
	ForecastPullBytes *int64 `json:"forecast_pull_bytes,omitempty"`
	// Pace is how long jobs took; zeros where none was built.
	Pace Pace `json:"pace"`
}

// NodeSummary is a node's part in a run.
type NodeSummary struct {
	Name  string `json:"name"`
	Built int    `json:"built"`
	// Losses counts how often it stopped to answer. Lost says that it did not answer at
	// the end.
	Losses int  `json:"losses,omitempty"`
	Lost   bool `json:"lost,omitempty"`
}

// Kept is how many jobs an earlier run had finished.
func (s Summary) Kept() int { return s.KeptBuilt + s.KeptSkipped }

// Own is a summary's counts without what an earlier run had finished.
func (s Summary) Own() (total, built, skipped int) {
	return s.Total - s.Kept(), s.Built - s.KeptBuilt, s.Skipped - s.KeptSkipped
}

// Space sets what was forecast of the space that a run takes beside what it
// took. Sizes are in bytes and include what was used before.
type Space struct {
	Bound             string `json:"bound"`
	LowBytes          int64  `json:"low_bytes"`
	HighBytes         int64  `json:"high_bytes"`
	ForecastPeakBytes int64  `json:"forecast_peak_bytes"`
	PeakBytes         int64  `json:"peak_bytes"`
	// OtherBytes of them were not the builder's cache when the run began.
	OtherBytes int64 `json:"other_bytes,omitempty"`
	// Waits is how often a job waited for space.
	Waits int `json:"waits,omitempty"`
	// LeastBytes is what the jobs that ran needed at least, in their order and with this
	// many workers, by what was learned; nil, and in no file, where that is not known.
	LeastBytes *int64 `json:"least_bytes,omitempty"`
	// What was learned: bytes of cache for each compressed byte of a pulled
	// layer, and what a job adds of its own.
	CacheBytesPerPulledByte float64 `json:"cache_bytes_per_pulled_byte"`
	OwnBytesPerJob          int64   `json:"own_bytes_per_job"`
}

// SpaceWasTight tells whether what bounds the space is worth a word: a job waited for
// space, something was swept, or the peak came near the limit.
func (s Summary) SpaceWasTight() bool {
	sp := s.Space
	if sp == nil || sp.PeakBytes == 0 {
		return false
	}
	swept := s.Prune != nil && s.Prune.ReclaimedRecords > 0
	return swept || sp.Waits > 0 || sp.PeakBytes >= sp.HighBytes/100*80
}

// Prune is what the sweeps of a run did, as BuildKit reported it.
//
// Large: its fields are those of the summary, which programs read.
type Prune struct {
	Policy string `json:"policy"`
	By     string `json:"by"`
	Sweeps int    `json:"sweeps"`
	// RemovingSweeps are those that removed something.
	RemovingSweeps   int   `json:"removing_sweeps"`
	Slices           int   `json:"slices"`
	DeadRecords      int   `json:"dead_records"`
	DeadBytes        int64 `json:"dead_bytes"`
	ReclaimedRecords int   `json:"reclaimed_records"`
	ReclaimedBytes   int64 `json:"reclaimed_bytes"`
	// RefusedRecords counts how often BuildKit left a record that it was asked
	// to remove, since it was in use.
	RefusedRecords int `json:"refused_records"`
	// LiveRemovedRecords were removed but were not dead. It must be 0.
	LiveRemovedRecords int `json:"live_removed_records"`
	// Left is nil, and its fields are in no file, where that is not known.
	*Left
	LongestSliceSeconds float64  `json:"longest_slice_seconds"`
	Failures            []string `json:"failures,omitempty"`
}

// Removing says how many of the sweeps removed something: some look in vain.
func (p Prune) Removing() string {
	if p.RemovingSweeps < p.Sweeps {
		return fmt.Sprintf("%d of %s", p.RemovingSweeps, plural.Of(p.Sweeps, "sweep"))
	}
	return plural.Of(p.RemovingSweeps, "sweep")
}

// Left is what was dead at the end and is still there.
type Left struct {
	LeftRecords int   `json:"left_records"`
	LeftBytes   int64 `json:"left_bytes"`
}

// Cache is the size of the builder's cache in bytes, as BuildKit reports it,
// seen at each sweep.
type Cache struct {
	StartBytes int64 `json:"start_bytes"`
	PeakBytes  int64 `json:"peak_bytes"`
	// EndBytes is nil where a node could not be looked at in the end.
	EndBytes *int64 `json:"end_bytes,omitempty"`
}

// SlowJob is one of the jobs that took longest.
type SlowJob struct {
	Name            string  `json:"name"`
	BaseImage       string  `json:"base_image"`
	DurationSeconds float64 `json:"duration_seconds"`
	AttemptCount    int     `json:"attempt_count"`
	// Run is the directory of the run that this is of, where several are told of.
	Run string `json:"run,omitempty"`
}

// Named is its name, with the run that it is of where that is told.
func (j SlowJob) Named() string {
	if j.Run == "" {
		return j.Name
	}
	return j.Name + " (" + j.Run + ")"
}

// FailedJob tells why a job failed; LogTail is the last lines of the log of its
// last attempt.
type FailedJob struct {
	Name         string   `json:"name"`
	BaseImage    string   `json:"base_image"`
	Error        string   `json:"error"`
	AttemptCount int      `json:"attempt_count"`
	Failure      Failure  `json:"failure"`
	LogPath      string   `json:"log_path,omitempty"`
	LogTail      []string `json:"log_tail,omitempty"`
}

// How many of the slowest jobs a summary names.
const slowestCount = 5

// Summarize computes the totals of a run of planned jobs that began at started
// and ended at finished. Entries from before it began are kept ones of an earlier run, whose
// times are not this run's. Log tails are left empty: they need the disk.
func Summarize(entries []Entry, planned int, started, finished time.Time) Summary {
	s := Summary{
		Total:      planned,
		Unfinished: planned - len(entries),
		StartedAt:  Time{started},
		FinishedAt: Time{finished},
		// Readers find lists, not nulls, where there is nothing.
		Slowest: []SlowJob{}, FailedBuilds: []FailedJob{},
	}
	s.WallClockSeconds = seconds(finished.Sub(started))
	var durations []float64
	for _, e := range entries {
		kept := e.Time.Before(started)
		if !kept {
			s.CumulativeSeconds += e.DurationSeconds
			s.addPhases(e.Phases)
		}
		if !kept && e.AttemptCount > 1 {
			s.Retried++
		}
		switch {
		case e.Status == Built:
			s.Built++
			if kept {
				s.KeptBuilt++
				continue
			}
			if e.Assembled {
				s.Assembled++
			}
			if e.NotAssembled != "" {
				if s.NotAssembled == nil {
					s.NotAssembled = map[string]int{}
				}
				s.NotAssembled[e.NotAssembled]++
			}
			durations = append(durations, e.DurationSeconds)
			s.Slowest = append(s.Slowest, e.SlowJob())
		case e.Status == SkippedDependency:
			s.FailedDependencies.Add(e)
		case strings.HasPrefix(string(e.Status), "skipped"):
			s.Skipped++
			if kept {
				s.KeptSkipped++
			} else if deref(e.SkipReason) == CutShortExists {
				s.CutShortExist++
			}
			if s.SkipReasons == nil {
				s.SkipReasons = map[string]int{}
			}
			s.SkipReasons[deref(e.SkipReason)]++
		default:
			s.Failed++
			s.FailedBuilds = append(s.FailedBuilds, e.FailedJob())
		}
	}
	slices.SortStableFunc(s.Slowest, func(a, b SlowJob) int { return cmp.Compare(b.DurationSeconds, a.DurationSeconds) })
	s.FailureGroups = Groups(s.FailedBuilds)
	s.SkippedDependency = s.FailedDependencies.Jobs()
	s.Slowest = s.Slowest[:min(len(s.Slowest), slowestCount)]
	s.AverageSeconds, s.MedianSeconds, s.MaxSeconds = spread(durations)
	s.ImagesPerHour = ImagesPerHour(BuildingOf(entries, started))
	s.CumulativeSeconds = Thousandths(s.CumulativeSeconds)
	if s.Phases != nil {
		s.Phases.Round()
	}
	return s
}

// spread returns the mean, the median and the largest of some values; zeros for
// none.
func spread(v []float64) (mean, median, largest float64) {
	if len(v) == 0 {
		return 0, 0, 0
	}
	v = slices.Sorted(slices.Values(v))
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	mid := len(v) / 2
	median = v[mid]
	if len(v)%2 == 0 {
		median = (v[mid-1] + v[mid]) / 2
	}
	return Thousandths(mean), Thousandths(median), v[len(v)-1]
}

func seconds(d time.Duration) float64 { return Thousandths(d.Seconds()) }

// Thousandths rounds a figure as those on record are: seconds to milliseconds.
func Thousandths(f float64) float64 { return math.Round(f*1000) / 1000 }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
