package ledger

// LearnedJobs is how many seconds jobs were seen to take, by their names.
type LearnedJobs map[string]float64

// mostLearnedJobs is of how many jobs that is kept; of more, those of the last run.
const mostLearnedJobs = 20_000

// Learn adds what a run has seen, and returns all. What a job was waiting for, and the time in
// which it pulled, are not its own.
func (l LearnedJobs) Learn(entries []Entry) LearnedJobs {
	now := LearnedJobs{}
	for _, e := range entries {
		if e.Status != Built || e.StepCount > 0 && e.CachedStepCount == e.StepCount {
			continue // nothing was made
		}
		took := e.BuildSeconds
		if e.Phases != nil {
			took -= e.Phases.Pull
		}
		if took <= 0 {
			continue
		}
		if before := l[e.Name]; before > 0 {
			took = (before + took) / 2
		}
		now[e.Name] = took
	}
	if len(l)+len(now) > mostLearnedJobs {
		return now
	}
	for name, took := range l {
		if _, is := now[name]; !is {
			now[name] = took
		}
	}
	return now
}

// ReadLearnedJobs returns what was learned of the jobs of a kind of plan; nothing where that
// cannot be read.
func ReadLearnedJobs(stateDir, kind string) LearnedJobs {
	l, _ := readLearned[LearnedJobs](stateDir, kind+".jobs")
	return l
}

// WriteLearnedJobs keeps what was learned for later runs.
func WriteLearnedJobs(stateDir, kind string, l LearnedJobs) error {
	return writeLearned(stateDir, kind+".jobs", l)
}
