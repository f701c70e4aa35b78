package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Merge makes one report of runs.
func Merge(runs []Seen) Report {
	m := merger{jobs: map[string]*job{}}
	for _, r := range runs {
		m.add(r.Record)
	}
	return m.report(runs)
}

// Own is the report of one run on its own jobs: those of other shards are not missing from it.
func Own(run Seen) Report {
	r := Merge([]Seen{run})
	r.Missing = nil
	return r
}

// OnRecord are runs as they are on record, of which nobody has read the events.
func OnRecord(records []ledger.Record) (runs []Seen) {
	for _, r := range records {
		runs = append(runs, Seen{Record: r})
	}
	return runs
}

// job is all that is on record of a job.
type job struct {
	planned ledger.PlanJob
	run     string // the first that has it in its plan
	ends    []end
}

// end is how a job ended in a run.
type end struct {
	ledger.Entry
	run string
	// tail is what the log of a job that failed ends with.
	tail []string
}

func (e end) at() time.Time {
	if e.FinishedAt.IsZero() {
		return e.Time.Time
	}
	return e.FinishedAt.Time
}

// last is how the job ended last. One that was built, and is there since, counts as built.
func (j *job) last() end {
	slices.SortStableFunc(j.ends, func(a, b end) int { return a.at().Compare(b.at()) })
	last := j.ends[0]
	for _, e := range j.ends[1:] {
		there := last.Status == ledger.Built && e.Status == ledger.Skipped && (e.Digest == last.Digest || e.Digest == "" || last.Digest == "")
		if !there {
			last = e
		}
	}
	return last
}

// merger collects jobs, by what they are, from the runs that have them.
type merger struct {
	jobs  map[string]*job
	order []*job
	runs  []Run
}

// settle takes what is on record of jobs that nobody knew the names of for what became of
// them in other runs.
func (m *merger) settle() {
	told := map[string]*job{}
	for _, j := range m.order {
		if !isUntold(j.planned) {
			told[j.planned.Name] = j
		}
	}
	m.order = slices.DeleteFunc(m.order, func(j *job) bool {
		other := told[j.planned.Name]
		if !isUntold(j.planned) || other == nil {
			return false
		}
		other.ends = append(other.ends, j.ends...)
		return true
	})
}

// of returns what is on record of a job that a run has.
func (m *merger) of(p ledger.PlanJob, run string) *job {
	id := identity(p)
	j, known := m.jobs[id]
	if !known {
		j = &job{planned: p, run: run}
		m.jobs[id], m.order = j, append(m.order, j)
	}
	return j
}

// add takes in a run.
func (m *merger) add(r ledger.Record) {
	tails := map[string][]string{}
	if r.Summary != nil {
		for _, f := range r.Summary.FailedBuilds {
			tails[f.Name] = f.LogTail
		}
	}
	for _, own := range jobsOf(r) {
		j := m.of(own.PlanJob, r.Dir)
		if own.end != nil {
			j.ends = append(j.ends, end{*own.end, r.Dir, tails[own.Name]})
		}
	}
	m.runs = append(m.runs, runOf(r))
}

// runOf is a run by its own record.
func runOf(r ledger.Record) Run {
	run := Run{Dir: r.Dir, Total: max(r.Run.JobCount, len(r.Entries)), StartedAt: r.Run.StartedAt, Resumed: len(r.Run.ResumedAt) > 0, Kept: r.KeptCount()}
	if s := r.Run.Plan.Shard; s != nil {
		run.Shard = s.String()
	}
	for _, e := range r.Entries {
		switch e.Status {
		case ledger.Built:
			run.Built++
		case ledger.Skipped:
			run.Skipped++
		case ledger.Failed:
			run.Failed++
		case ledger.SkippedDependency:
			run.Other++
			run.SkippedDependency++
		default:
			run.Other++
		}
		if e.FinishedAt.After(run.FinishedAt.Time) {
			run.FinishedAt = e.FinishedAt
		}
	}
	run.Unfinished = run.Total - len(r.Entries)
	run.Seconds = max(run.FinishedAt.Sub(r.Run.LastStart().Time).Seconds(), 0)
	switch {
	case r.Writing:
		run.State = Running
		return run
	case r.Summary == nil && !r.Here:
		run.State = Unknown
	case r.Summary == nil && !r.DiskFull:
		run.State = Killed
	case r.Summary == nil || run.Unfinished > 0:
		run.State = Stopped
	default:
		run.State = Finished
	}
	run.Notes = r.Notes
	if s := r.Summary; s != nil {
		run.FinishedAt, run.Seconds, run.Reason = s.FinishedAt, s.WallClockSeconds, s.StopReason
	}
	if run.Built+run.Skipped < run.Total {
		run.ResumeCommand = r.Run.ResumeCommand
	}
	return run
}

// report sums up what was collected.
func (m *merger) report(runs []Seen) Report {
	r := Report{Runs: m.runs, Missing: missing(runs), Jobs: []Job{}}
	m.settle()
	var counted []ledger.Entry
	tails := map[string][]string{} // by log
	for _, j := range m.order {
		if len(j.ends) == 0 {
			r.Open = append(r.Open, OpenJob{j.planned.Name, j.planned.Tags, j.run})
			continue
		}
		last := j.last()
		r.Jobs = append(r.Jobs, Job{last.Entry, last.run, len(j.ends)})
		if len(j.ends) > 1 {
			r.Repeated = append(r.Repeated, last.Name)
		}
		switch last.Status {
		case ledger.Built, ledger.Skipped, ledger.SkippedDependency, ledger.Failed:
			counted = append(counted, last.Entry)
		default:
			r.tellOther(last)
		}
		if last.LogPath != nil {
			tails[*last.LogPath] = last.tail
		}
	}
	from, to := m.span()
	// What is older than the first run was kept of one that is not here; it counts as well.
	r.Summary = ledger.Summarize(counted, len(m.order), time.Time{}, to)
	if len(runs) > 1 {
		nameRuns(r.Slowest, r.Jobs)
	}
	r.StartedAt, r.WallClockSeconds = ledger.Time{Time: from}, ledger.Thousandths(to.Sub(from).Seconds())
	var building []ledger.Building
	for _, record := range runs {
		building = append(building, ledger.BuildingOf(record.Entries, record.Run.LastStart().Time))
	}
	r.ImagesPerHour = ledger.ImagesPerHour(building...)
	r.Unfinished = len(r.Open)
	for i, f := range r.FailedBuilds {
		r.FailedBuilds[i].LogTail = tails[f.LogPath]
	}
	r.FailureGroups = groupsOf(r.FailedBuilds)
	if len(runs) == 1 && runs[0].Summary != nil {
		s := runs[0].Summary
		r.Interrupted, r.StopReason = s.Interrupted, s.StopReason
		if !r.Runs[0].Resumed {
			r.WallClockSeconds = s.WallClockSeconds
		}
	}
	r.addBytes(runs)
	r.Pace = ledger.PaceOf(counted, cmp.Or(r.PulledBytes, r.ForecastPullBytes))
	return r
}

// nameRuns says of which runs the slowest jobs are.
func nameRuns(slowest []ledger.SlowJob, jobs []Job) {
	runs := map[ledger.SlowJob]string{}
	for _, j := range jobs {
		runs[j.SlowJob()] = j.Run
	}
	for i, s := range slowest {
		slowest[i].Run = runs[s]
	}
}

// tellOther notes a job with a status that is not counted by itself.
func (r *Report) tellOther(e end) {
	i := slices.IndexFunc(r.Other, func(g Group) bool { return g.Status == e.Status })
	if i < 0 {
		i = len(r.Other)
		r.Other = append(r.Other, Group{Status: e.Status})
	}
	r.Other[i].Jobs = append(r.Other[i].Jobs, e.Name)
}

// span is from the first start to the last end.
func (m *merger) span() (from, to time.Time) {
	for _, run := range m.runs {
		if start := run.StartedAt.Time; !start.IsZero() && (from.IsZero() || start.Before(from)) {
			from = start
		}
		if run.FinishedAt.After(to) {
			to = run.FinishedAt.Time
		}
	}
	if to.Before(from) {
		to = from
	}
	return from, to
}

// groupsOf puts failures together by their causes, and names more jobs of each than a run's
// own summary does.
func groupsOf(failed []ledger.FailedJob) []ledger.FailureGroup {
	groups, names := ledger.GroupsWithNames(failed)
	for i := range groups {
		groups[i].Examples = names[i][:min(len(names[i]), shownNames)]
	}
	return groups
}

// addBytes sums up what the runs tell of bytes and of time.
func (r *Report) addBytes(runs []Seen) {
	for i, run := range runs {
		r.RunSeconds = ledger.Thousandths(r.RunSeconds + r.Runs[i].Seconds)
		toPull, pulled, reclaimed := run.bytes()
		r.PullBytes = bytesize.Sum(r.PullBytes, toPull)
		r.PulledBytes = bytesize.Sum(r.PulledBytes, pulled)
		r.ReclaimedBytes = bytesize.Sum(r.ReclaimedBytes, reclaimed)
		r.Partial = r.Partial || run.Summary == nil || run.Summary.Prune == nil
	}
	r.ForecastPullBytes = r.PullBytes
}

// missing are the shards of each input of which no run is on record.
func missing(runs []Seen) (all []Missing) {
	type input struct {
		name string
		of   int
	}
	jobs := map[input]map[int]int{} // of each shard that is there
	total := map[input]int{}
	var order []input
	for _, r := range runs {
		s := r.Run.Plan.Shard
		if s == nil {
			continue
		}
		in := input{s.Input, s.Of}
		if jobs[in] == nil {
			jobs[in], total[in] = map[int]int{}, s.Jobs
			order = append(order, in)
		}
		jobs[in][s.Number] = max(jobs[in][s.Number], r.Run.JobCount)
	}
	for _, in := range order {
		m := Missing{Of: in.of, AllJobs: total[in], Jobs: total[in]}
		for n := 1; n <= in.of; n++ {
			if there, is := jobs[in][n]; is {
				m.Jobs -= there
			} else {
				m.Shards = append(m.Shards, n)
			}
		}
		m.Jobs = max(m.Jobs, 0)
		if len(m.Shards) > 0 && m.Jobs > 0 { // of more shards than jobs some are empty
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b Missing) int { return cmp.Compare(b.Jobs, a.Jobs) })
	return all
}
