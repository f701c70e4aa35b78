package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// PlanID is what a record knows of a plan, so that a later run can tell what of
// it still counts.
type PlanID struct {
	// Jobs are all jobs of the plan.
	Jobs []PlanJob `json:"jobs"`
	// Digest is what earlier versions wrote instead of the digests of the jobs,
	// which were all the same.
	Digest string `json:"digest,omitempty"`
	// Shard tells of which whole the jobs are a part; nil where they are all.
	Shard *Shard `json:"shard,omitempty"`
}

// Shard is a part of an input's jobs.
type Shard struct {
	Number int `json:"number"` // the first is 1
	Of     int `json:"of"`
	// Jobs is how many there are in all shards.
	Jobs int `json:"jobs"`
	// Input is the same for all shards of one input.
	Input string `json:"input"`
}

// String is the shard as the flag has it.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Number, s.Of) }

// PlanJob is a job of a plan. A finished job counts for another plan that has a
// job of the same base image with one of its tags; see keep.
type PlanJob struct {
	Name string `json:"name"`
	// Base is the base image that the job is given; empty where its Dockerfile
	// has its own.
	Base string   `json:"base_image"`
	Tags []string `json:"tags"`
	// Digest stands for what the image is made from, such as the Dockerfile and
	// the build arguments; empty when nobody needs to know whether it changes.
	Digest string `json:"digest,omitempty"`
	// Kind is the same for jobs of one Dockerfile, target and set of build arguments, and
	// Seconds is what the job took in earlier runs, 0 where that is not known: by these, how
	// long a run still takes is told.
	Kind    string  `json:"kind,omitempty"`
	Seconds float64 `json:"seconds_before,omitempty"`
}

// same tells whether both make the same image under the same tags.
func (j PlanJob) same(other PlanJob) bool {
	return j.Base == other.Base && slices.Equal(sorted(j.Tags), sorted(other.Tags))
}

func sorted(tags []string) []string { return slices.Sorted(slices.Values(tags)) }

// changes are the names of the jobs in which two plans differ, in plan order.
type changes struct{ added, gone, changed []string }

// compare tells how a plan differs from an earlier one, but for the jobs that
// went over from one to the other all the same: over has their new names by
// their old ones.
func compare(was, is []PlanJob, over map[string]string) changes {
	var c changes
	old := map[string]PlanJob{}
	for _, j := range was {
		old[j.Name] = j
	}
	went := map[string]bool{}
	for from, to := range over {
		delete(old, from)
		went[to] = true
	}
	for _, j := range is {
		if went[j.Name] {
			continue
		}
		before, known := old[j.Name]
		delete(old, j.Name)
		switch {
		case !known:
			c.added = append(c.added, j.Name)
		case !j.same(before):
			c.changed = append(c.changed, j.Name)
		}
	}
	for _, j := range was {
		if _, left := old[j.Name]; left {
			c.gone = append(c.gone, j.Name)
		}
	}
	return c
}

// RunRecord is run.json: which run the other files of a directory belong to.
type RunRecord struct {
	StokerVersion string `json:"stoker_version"`
	StartedAt     Time   `json:"started_at"`
	ResumedAt     []Time `json:"resumed_at,omitempty"`
	// Finished runs have nothing left to resume: every job has an entry, or
	// none has.
	Finished   bool `json:"finished"`
	FinishedAt Time `json:"finished_at"`
	JobCount   int  `json:"job_count"`
	// Host and PID are of the process that wrote here last.
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
	// ResumeCommand goes on with the run, see Summary.
	ResumeCommand string `json:"resume_command,omitempty"`
	Plan          PlanID `json:"plan"`
}

// LastStart is when the run began, or was last gone on with.
func (r RunRecord) LastStart() Time {
	if n := len(r.ResumedAt); n > 0 {
		return r.ResumedAt[n-1]
	}
	return r.StartedAt
}

// sign notes which process writes the record from now on.
func (r *RunRecord) sign(o StartOptions) {
	r.Host, _ = os.Hostname() // empty where nobody knows
	r.PID, r.ResumeCommand = os.Getpid(), o.ResumeCommand
}

func readRun(dir string) (RunRecord, error) {
	data, err := readFile(filepath.Join(dir, RunFile))
	if err != nil {
		return RunRecord{}, err
	}
	var r RunRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return RunRecord{}, fmt.Errorf("%s: %w", RunFile, err)
	}
	for i := range r.Plan.Jobs {
		r.Plan.Jobs[i].Digest = cmp.Or(r.Plan.Jobs[i].Digest, r.Plan.Digest)
	}
	return r, nil
}

func writeRun(dir string, r RunRecord) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, RunFile), append(data, '\n'))
}
