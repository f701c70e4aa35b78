package cache

import "slices"

// Wanting is the unfinished jobs that need one record of a node.
type Wanting struct {
	needs    *Needs
	node     int
	vertices []int32
	former   bool // it is remembered as what the plan does not have
}

// First returns the first of the jobs in the order of the run, or NoJob.
func (w Wanting) First() int {
	w.needs.mu.RLock()
	defer w.needs.mu.RUnlock()
	first := NoJob
	for _, v := range w.vertices {
		if job := w.needs.first(v, w.node); job != NoJob && (first == NoJob || job < first) {
			first = job
		}
	}
	return first
}

// Any tells whether one of the jobs is as asked.
func (w Wanting) Any(is func(job int) bool) bool {
	w.needs.mu.RLock()
	defer w.needs.mu.RUnlock()
	for _, v := range w.vertices {
		for _, job := range w.needs.shared.JobsOf(v) {
			if w.needs.at(w.node).has(&w.needs.jobs[job]) && is(int(job)) {
				return true
			}
		}
	}
	return false
}

// IsAll tells whether all vertices that the record may be of are as asked.
func (w Wanting) IsAll(is func(v int32) bool) bool {
	return len(w.vertices) > 0 && !slices.ContainsFunc(w.vertices, func(v int32) bool { return !is(v) })
}

// InDoubt tells that the record may be none of what a job needs of it.
func (w Wanting) InDoubt() bool { return w.former || len(w.vertices) > 1 }

// Has tells whether a job is one of them.
func (w Wanting) Has(job int) bool { return w.Any(func(j int) bool { return j == job }) }

// Only tells whether a job is the only one of them.
func (w Wanting) Only(job int) bool {
	return w.Has(job) && !w.Any(func(j int) bool { return j != job })
}
