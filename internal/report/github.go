package report

import "github.com/stoker-build/stoker/internal/annotate"

// Annotations are what GitHub shows of the runs: the causes of failures as errors, and what is
// unfinished or missing as warnings.
func (r Report) Annotations() []annotate.Annotation {
	all := annotate.Failures(r.FailureGroups)
	for _, m := range r.Missing {
		all = append(all, annotate.Unfinished(m.Jobs, m.String()))
	}
	for _, run := range r.Runs {
		if run.Unfinished > 0 {
			all = append(all, annotate.Unfinished(run.Unfinished, run.Reason))
		}
	}
	return all
}
