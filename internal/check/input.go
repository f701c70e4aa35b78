package check

import (
	"errors"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// TakeInput notes what is wrong with the input, and which jobs it has, where that is known.
func (r *Report) TakeInput(err error) {
	var input *mistakes.InputError
	if errors.As(err, &input) {
		r.Jobs = input.Jobs
	}
	r.Add(OfInput(Input, err)...)
}

// OfInput is what is wrong with what flags say, each problem by itself.
func OfInput(kind Kind, err error) (all []Finding) {
	var input *mistakes.InputError
	if !errors.As(err, &input) {
		return []Finding{{Severity: Fault, Kind: kind, Text: err.Error()}}
	}
	for i, problem := range input.Problems {
		f := Finding{Severity: Fault, Kind: kind, Text: input.What + ": " + problem, Hint: input.Hint}
		if len(input.Faults) == len(input.Problems) {
			fault := input.Faults[i]
			f.Hint, f.Jobs, f.Places = fault.Hint, fault.Jobs, placesIn(input.What, fault)
			if len(f.Places) > 0 {
				f.Text = fault.Text // else the problem tells, in its own words, where it stands
			}
		}
		all = append(all, f)
	}
	return all
}

// placesIn are where a fault of an input stands; none where a place is no line, nor a file.
func placesIn(input string, fault mistakes.Fault) (all []Place) {
	if fault.File != "" {
		return []Place{{File: fault.File, Line: fault.Line}}
	}
	for _, p := range fault.Places {
		switch {
		case p.Unit == "" && p.Name != "":
			all = append(all, Place{File: p.Name})
		case p == mistakes.Line(p.Number):
			all = append(all, Place{File: input, Line: p.Number})
		default:
			return nil
		}
	}
	return all
}
