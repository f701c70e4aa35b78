package report

import "github.com/stoker-build/stoker/internal/ledger"

// Comparison is two runs beside each other, A and B. A change is from A to B.
type Comparison struct {
	A Figures `json:"a"`
	B Figures `json:"b"`
	// InBoth is how many jobs both runs have, OnlyA and OnlyB how many one of them has.
	InBoth int `json:"jobs_in_both"`
	OnlyA  int `json:"jobs_in_a_only"`
	OnlyB  int `json:"jobs_in_b_only"`
	// Options are those that differ.
	Options []Option `json:"options"`
	// Phases is where the time of an image went, in the order in which a job goes through
	// them; empty where neither run tells.
	Phases []PhaseChange `json:"phases"`
	Built  BuiltInBoth   `json:"built_in_both"`
	// FailedA are the jobs of both that failed in A alone.
	FailedA []FailedOnce `json:"failed_in_a_only"`
	FailedB []FailedOnce `json:"failed_in_b_only"`
}

// PhaseChange is what a phase took of an image, in seconds: the mean of what each run has
// built; nil where it does not tell.
type PhaseChange struct {
	Key  string   `json:"phase"`
	Name string   `json:"-"`
	A    *float64 `json:"a_seconds"`
	B    *float64 `json:"b_seconds"`
}

// FailedOnce is a job that failed in one run, and how it ended in the other: empty where it
// has not ended there.
type FailedOnce struct {
	ledger.FailedJob
	Other ledger.Status `json:"other_status"`
}

// Compare sets two runs beside each other; nil where they have no job in common.
func Compare(a, b Seen) *Comparison {
	pairs, onlyA, onlyB := pair(jobsOf(a.Record), jobsOf(b.Record))
	if len(pairs) == 0 {
		return nil
	}
	c := &Comparison{
		A: figuresOf(a), B: figuresOf(b), InBoth: len(pairs), OnlyA: onlyA, OnlyB: onlyB,
		Options: differing(a, b), Phases: phasesOf(a, b), Built: builtInBoth(pairs), FailedA: []FailedOnce{}, FailedB: []FailedOnce{},
	}
	for _, p := range pairs {
		switch failedA, failedB := isFailed(p.a), isFailed(p.b); {
		case failedA && !failedB:
			c.FailedA = append(c.FailedA, failedOnce(*p.a, p.b))
		case failedB && !failedA:
			c.FailedB = append(c.FailedB, failedOnce(*p.b, p.a))
		}
	}
	return c
}

// jobPair is a job that both runs have, and how it ended in each; nil where it has not.
type jobPair struct {
	name string
	a, b *ledger.Entry
}

// pair finds the jobs that both runs have, in order of A, and how many one of them has.
func pair(a, b []ownJob) (both []jobPair, onlyA, onlyB int) {
	named := map[string]ownJob{}
	for _, j := range b {
		named[j.Name] = j
	}
	for _, j := range a {
		if other, there := named[j.Name]; there && isSame(j.PlanJob, other.PlanJob) {
			both = append(both, jobPair{j.Name, j.end, other.end})
		}
	}
	return both, len(a) - len(both), len(b) - len(both)
}

func isFailed(e *ledger.Entry) bool { return e != nil && e.Status == ledger.Failed }

func failedOnce(e ledger.Entry, other *ledger.Entry) FailedOnce {
	f := FailedOnce{FailedJob: e.FailedJob()}
	if other != nil {
		f.Other = other.Status
	}
	return f
}

// phasesOf is where the time of an image went in each run.
func phasesOf(a, b Seen) []PhaseChange {
	inA, inB := perImage(a.Entries), perImage(b.Entries)
	all := []PhaseChange{}
	if inA == nil && inB == nil {
		return all
	}
	for i, phase := range (ledger.Phases{}).Each() {
		change := PhaseChange{Key: phase.Key, Name: phase.Name}
		if inA != nil {
			change.A = &inA[i]
		}
		if inB != nil {
			change.B = &inB[i]
		}
		all = append(all, change)
	}
	return all
}

// perImage is what each phase took of an image that was built; nil where none tells.
func perImage(entries []ledger.Entry) (all []float64) {
	var sum ledger.Phases
	images := 0.0
	for _, e := range entries {
		if e.Status == ledger.Built && e.Phases != nil {
			sum.Add(*e.Phases)
			images++
		}
	}
	if images == 0 {
		return nil
	}
	for _, phase := range sum.Each() {
		all = append(all, ledger.Thousandths(phase.Seconds/images))
	}
	return all
}
