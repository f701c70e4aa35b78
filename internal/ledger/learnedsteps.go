package ledger

import "slices"

// LearnedSteps are what earlier runs have seen of steps, by what the builder calls them.
type LearnedSteps map[string]LearnedStep

// LearnedStep is what was seen of the steps of one text.
type LearnedStep struct {
	// Seconds is what a making took, in the mean; later runs count for more. 0 is not known.
	Seconds float64 `json:"seconds"`
	// Bytes is what a result takes, in the mean; nil where that was not seen.
	Bytes *int64 `json:"bytes,omitempty"`
	// Env are the hashes of variables that all of the last run's steps had in common.
	Env map[string]string `json:"env,omitempty"`
	// Varied are those that were others from one run to another.
	Varied []string `json:"varied,omitempty"`
}

// Learn adds what a run has seen.
func (l LearnedSteps) Learn(steps []Step) {
	of := map[string][]*Step{}
	for i := range steps {
		if s := &steps[i]; s.Kind == StepRun {
			of[s.Called()] = append(of[s.Called()], s)
		}
	}
	for text, all := range of {
		l[text] = l[text].learn(all)
	}
}

func (l LearnedStep) learn(steps []*Step) LearnedStep {
	var seconds float64
	var bytes int64
	ran, sized := 0, 0
	for _, s := range steps {
		seconds, ran = seconds+s.Seconds, ran+s.Ran
		if s.Bytes != nil {
			bytes, sized = bytes+*s.Bytes, sized+1
		}
	}
	switch mean := seconds / max(float64(ran), 1); {
	case ran > 0 && l.Seconds > 0:
		l.Seconds = (l.Seconds + mean) / 2
	case ran > 0:
		l.Seconds = mean
	}
	if sized > 0 {
		l.Bytes = new(bytes / int64(sized))
	}
	env := common(steps)
	for name, was := range l.Env {
		if is, has := env[name]; has && is != was && !slices.Contains(l.Varied, name) {
			l.Varied = append(l.Varied, name)
		}
	}
	slices.Sort(l.Varied)
	l.Env = env
	return l
}

// common are the variables that are the same in all steps.
func common(steps []*Step) map[string]string {
	env := map[string]string{}
	for i, s := range steps {
		for name, hash := range s.Env {
			if i == 0 {
				env[name] = hash
			}
		}
		for name, hash := range env {
			if s.Env[name] != hash {
				delete(env, name)
			}
		}
	}
	return env
}

// ReadLearnedSteps returns what was learned of the steps of a kind of plan; nothing where
// that cannot be read.
func ReadLearnedSteps(stateDir, kind string) LearnedSteps {
	if l, is := readLearned[LearnedSteps](stateDir, kind+".steps"); is && l != nil {
		return l
	}
	return LearnedSteps{}
}

// WriteLearnedSteps keeps what was learned for later runs.
func WriteLearnedSteps(stateDir, kind string, l LearnedSteps) error {
	return writeLearned(stateDir, kind+".steps", l)
}
