package examine

import (
	"github.com/stoker-build/stoker/internal/advice"
	"github.com/stoker-build/stoker/internal/check"
)

// advised makes an advice a finding.
func advised(a advice.Advice) check.Finding {
	f := check.Finding{Severity: check.Advice, Kind: check.Cost, Text: a.Text, Hint: a.Remedy, Jobs: a.Jobs,
		Cost: &check.Costing{Rule: string(a.Rule), Text: a.Price.String(), Seconds: a.Seconds, Bytes: a.Bytes, AtMost: a.AtMost, Patch: a.Patch}}
	if a.File != "" {
		f.Places = []check.Place{{File: a.File, Line: a.Line}}
	}
	return f
}
