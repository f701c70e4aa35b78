// Package report is what several runs did, told as of one: the shards of an input, the
// phases of a pipeline, runs that went on in another directory. It is pure: it makes one
// report of the runs' records, and writes it in the formats that people and programs read.
package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
)

// Report is what several runs did. Its totals count each job once.
type Report struct {
	// Summary has the totals. Its wall clock is from the first start of a run to the last
	// end of one.
	ledger.Summary
	// RunSeconds is the sum of the runs' own wall clocks.
	RunSeconds float64 `json:"run_seconds"`
	// ReclaimedBytes and PullBytes are nil where no run tells.
	ReclaimedBytes *int64 `json:"reclaimed_bytes"`
	PullBytes      *int64 `json:"pull_bytes"`
	// Partial tells that some runs do not say what they reclaimed.
	Partial bool `json:"partial,omitempty"`

	Runs []Run `json:"runs"`
	// Missing are shards of which no run is among these.
	Missing []Missing `json:"missing_shards,omitempty"`
	// Other are the jobs that are neither built, skipped nor failed, by their statuses.
	Other []Group `json:"other,omitempty"`
	// Repeated are the names of jobs that ended in several runs.
	Repeated []string `json:"repeated_jobs,omitempty"`
	// Open are the planned jobs that no run has on record.
	Open []OpenJob `json:"unfinished_jobs,omitempty"`
	// Jobs are those on record, each as it ended last.
	Jobs []Job `json:"jobs"`
}

// Run is one of the runs.
//
// Large: its fields are those of the output, which programs read.
type Run struct {
	Dir   string `json:"dir"`
	Shard string `json:"shard,omitempty"`
	State string `json:"state"`
	// Reason says why it ended early.
	Reason     string      `json:"reason,omitempty"`
	StartedAt  ledger.Time `json:"started_at"`
	FinishedAt ledger.Time `json:"finished_at"`
	Seconds    float64     `json:"wall_clock_seconds"`

	Total   int `json:"total"`
	Built   int `json:"built"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`
	// Other are those of SkippedDependency, and those with a status that is not known.
	Other      int `json:"other"`
	Unfinished int `json:"unfinished"`
	// SkippedDependency are those that were not built since others have failed.
	SkippedDependency int `json:"skipped_dependency"`
	// Resumed runs went on with what is in their directory, and times are of the last start.
	Resumed bool `json:"resumed,omitempty"`
	// Kept are those of Built and Skipped that had been finished before.
	Kept ledger.KeptCount `json:"kept,omitzero"`

	ResumeCommand string `json:"resume_command,omitempty"`
	// Notes tell of lines of the manifest that are no entries, or that there is none.
	Notes []string `json:"notes,omitempty"`
}

// The states of a run, as stoker status has them.
const (
	Running  = "running"
	Finished = "finished"
	Stopped  = "stopped"
	// Killed runs of this machine are gone, and have left no word of their end.
	Killed = "killed"
	// Unknown runs were another machine's, and have left no word of their end.
	Unknown = "unknown"
)

// Job is a job as it ended last.
type Job struct {
	ledger.Entry
	// Run is the directory of the run that this is of.
	Run string `json:"run"`
	// Runs is in how many runs it ended.
	Runs int `json:"runs"`
}

// OpenJob is a job that is not on record.
type OpenJob struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
	Run  string   `json:"run"`
}

// Missing are shards of one input.
type Missing struct {
	Shards []int `json:"shards"`
	Of     int   `json:"of"`
	// Jobs is how many of AllJobs they have.
	Jobs    int `json:"jobs"`
	AllJobs int `json:"all_jobs"`
}

// String names the shards.
func (m Missing) String() string {
	var names []string
	for _, n := range m.Shards[:min(len(m.Shards), shownNames)] {
		names = append(names, fmt.Sprint(n))
	}
	if more := len(m.Shards) - shownNames; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	word, verb := "shards", "are"
	if len(m.Shards) == 1 {
		word, verb = "shard", "is"
	}
	return fmt.Sprintf("%s %s of %d %s not among these runs: %d of %s", word, plural.And(names), m.Of, verb, m.Jobs, plural.Of(m.AllJobs, "job"))
}

// Group is jobs that ended in the same way.
type Group struct {
	Status ledger.Status `json:"status"`
	Jobs   []string      `json:"jobs"`
}

// AllJobs is how many jobs there are, those of missing shards among them.
func (r Report) AllJobs() int {
	all := r.Total
	for _, m := range r.Missing {
		all += m.Jobs
	}
	return all
}

// AllBuilt tells whether every job of the runs, and of all their shards, is built or was
// there already.
func (r Report) AllBuilt() bool {
	return r.Failed == 0 && r.Unfinished == 0 && len(r.Other) == 0 && len(r.Missing) == 0
}

// Refs are the images of all jobs. Of jobs of one name in several runs each has its run's
// directory before it.
func (r Report) Refs() map[string]ledger.Ref {
	count := map[string]int{}
	for _, j := range r.Jobs {
		count[j.Name]++
	}
	refs := map[string]ledger.Ref{}
	for _, j := range r.Jobs {
		name := j.Name
		if count[name] > 1 {
			name = j.Run + "/" + name
		}
		refs[name] = ledger.RefOf(j.Entry)
	}
	return refs
}

// shownNames is how many names of a kind are shown.
const shownNames = 5

// some are the first names of many, and how many more there are.
func some(names []string) string {
	shown := slices.Clone(names[:min(len(names), shownNames)])
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, ", ")
}
