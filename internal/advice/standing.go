package advice

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/stoker-build/stoker/internal/ledger"
)

// assignment is a variable that an instruction sets, by the line that it begins in.
type assignment struct {
	line int
	name string
}

// change tells whether something differs between jobs, and whether between runs.
type change struct{ byJob, byRun bool }

// fickle are, by the lines of instructions, the variables that are others from run to run there.
type fickle map[int]map[string]bool

// anything stands in for the variables of a step that is another one whatever it reads.
const anything = "*"

func asWritten(st stage) []instruction { return st.all }

// fickle follows what changes from run to run through the stages, in an order of their
// instructions: a variable that is made of one that does is one, too.
func (x *flux) fickle(order func(stage) []instruction) fickle {
	out, ends := fickle{}, map[int]map[string]bool{}
	for _, st := range x.stages {
		now := map[string]bool{}
		if below, is := x.stageBelow(st); is {
			now = maps.Clone(ends[below.from])
		}
		for _, name := range x.guessed() {
			now[anything] = now[anything] || naming(st.base, name)
		}
		for _, i := range order(st) {
			out[i.first] = maps.Clone(now)
			x.passOn(i, out[i.first], now)
		}
		ends[st.from] = now
	}
	return out
}

// guessed are the arguments of the jobs that are others in each run by their names.
func (x *flux) guessed() (names []string) {
	for _, j := range x.jobs {
		for name := range j.Options.BuildArgs {
			if changing.MatchString(strings.ToUpper(name)) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// passOn notes what changes from run to run below an instruction. Each value of an ARG sees
// those before it, and those of an ENV see none of each other.
// An ARG without a value of its own that is not given one leaves the variable as it was
// (dispatchArg in BuildKit's dockerfile2llb).
func (x *flux) passOn(i instruction, above, below map[string]bool) {
	if isArg(i.command) {
		above = below
	}
	for _, v := range values(i.command) {
		is := x.changes[assignment{i.first, v.name}].byRun || v.declared && !x.isGiven(v.name) && below[v.name]
		for other, changes := range above {
			is = is || changes && naming(v.text, other)
		}
		below[v.name] = is
	}
	switch i.command.(type) {
	case *instructions.UserCommand, *instructions.WorkdirCommand, *instructions.ShellCommand:
		for name, is := range above {
			below[anything] = below[anything] || is && i.names(name)
		}
	}
}

type key [sha256.Size]byte

// standing is what a step is, and whether it stays that in the next run.
type standing struct {
	key   key
	stays bool
}

// standings tell what all steps are, where those that a group is moved past do not get its variables.
func (x *flux) standings(changing fickle, moved group) map[string]standing {
	known := map[string]standing{}
	forms := map[*ledger.StepForm]standing{}
	for i := range x.given.Steps {
		s := &x.given.Steps[i]
		if _, is := forms[s.StepForm]; !is {
			forms[s.StepForm] = x.formOf(s.StepForm, changing, moved)
		}
		known[s.ID] = standingOf(s, forms[s.StepForm], known)
	}
	return known
}

// formOf is how steps of a form stand by themselves.
func (x *flux) formOf(form *ledger.StepForm, changing fickle, moved group) (out standing) {
	here := form.File == x.name
	in, is := x.at(form.Line)
	out.stays = true
	h := sha256.New()
	for n, m := range []map[string]string{form.Env, form.Parts, form.Files} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if n > 0 || !here || !moved.spans(form.Line) || !slices.Contains(moved.names, k) {
				fmt.Fprintf(h, "%q=%q ", k, m[k])
			}
		}
	}
	copy(out.key[:], h.Sum(nil))
	if !here || !is {
		return out
	}
	for name, changes := range changing[form.Line] {
		_, given := form.Env[name]
		if changes && (given || name == anything || in.names(name)) {
			out.stays = false
		}
	}
	return out
}

// standingOf is how a step stands upon what it is made from.
func standingOf(s *ledger.Step, form standing, known map[string]standing) standing {
	out := standing{stays: form.stays}
	h := sha256.New()
	_, _ = h.Write(form.key[:]) // a hash takes all
	if s.Kind != ledger.StepRun {
		_, _ = io.WriteString(h, s.ID)
	}
	for _, on := range s.On {
		below, is := known[on]
		if !is {
			_, _ = io.WriteString(h, on)
			continue
		}
		out.stays = out.stays && below.stays
		_, _ = h.Write(below.key[:])
	}
	copy(out.key[:], h.Sum(nil))
	return out
}
