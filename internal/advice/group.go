package advice

import (
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// group is some variables, with the instructions of a stage that set them or are made of what
// those set: they can only be moved together.
type group struct {
	roots []string
	names []string // all that its instructions set
	some  []instruction
	below int // the line below which they can stand
}

// group follows a stage from the first instruction that sets one of some variables to the
// first that cannot stand above them, or the stage's last step. It is empty where nothing can be moved.
func (st stage) group(roots []string) group {
	g := group{roots: roots}
	for _, i := range st.all {
		switch {
		case g.takes(i):
			g.take(i)
		case g.stops(i):
			return g.placed()
		case len(g.some) > 0 && isStep(i.command):
			g.below = i.last
		}
	}
	return g.placed()
}

// takes tells whether an instruction is to be moved with the group, and can be. One that sets
// a variable anew and reads nothing of the group ends it: below it the variable is another.
func (g *group) takes(i instruction) bool {
	set := sets(i.command)
	switch {
	case len(set) == 0 && !isLabel(i.command):
		return false
	case slices.ContainsFunc(set, readUnnamed.MatchString):
		return false
	case slices.ContainsFunc(g.names, i.reads):
		return true
	}
	return intersect(set, g.roots) && !intersect(set, g.names)
}

func (g *group) take(i instruction) {
	g.some = append(g.some, i)
	g.names = append(g.names, sets(i.command)...)
}

// stops tells whether an instruction must stay below the group, or would change what it sets.
func (g *group) stops(i instruction) bool {
	if len(g.some) == 0 {
		return false
	}
	changes := func(taken instruction) bool {
		return slices.ContainsFunc(sets(i.command), taken.reads) || sameLabel(taken.command, i.command)
	}
	return slices.ContainsFunc(g.names, i.names) || i.readsAll() || slices.ContainsFunc(g.some, changes)
}

// placed is the group with those of its instructions only that have to be moved.
func (g group) placed() group {
	out := group{roots: g.roots, below: g.below}
	for _, i := range g.some {
		if i.first < g.below {
			out.take(i)
		}
	}
	return out
}

// reordered are the instructions of a stage with the group where it can stand.
func (g group) reordered(st stage) (all []instruction) {
	for _, i := range st.all {
		if !g.has(i) {
			all = append(all, i)
		}
		if i.last == g.below {
			all = append(all, g.some...)
		}
	}
	return all
}

func (g group) has(i instruction) bool {
	return slices.ContainsFunc(g.some, func(taken instruction) bool { return taken.first == i.first })
}

// spans tells whether a line is of those above which the group stands, and would not.
func (g group) spans(line int) bool {
	return len(g.some) > 0 && g.some[0].first < line && line <= g.below
}

// made are the variables that are made of the roots; one that only stands beside them is not.
func (g group) made() (names []string) {
	for _, i := range g.some {
		above := slices.Concat(g.roots, names)
		for _, v := range values(i.command) {
			if isArg(i.command) {
				above = slices.Concat(g.roots, names) // with those before it, which an ENV does not see
			}
			reads := slices.ContainsFunc(above, func(name string) bool { return naming(v.text, name) })
			if reads && !slices.Contains(g.roots, v.name) && !slices.Contains(names, v.name) {
				names = append(names, v.name)
			}
		}
	}
	return names
}

// isSet tells whether one of some variables was set before a line already, in a stage or one
// that it stands on: what would be seen of it then is not known here.
func (x *flux) isSet(st stage, names []string, before int) bool {
	for _, i := range st.all {
		if i.first < before && intersect(sets(i.command), names) {
			return true
		}
	}
	below, is := x.stageBelow(st)
	return is && x.isSet(below, names, below.to+1)
}

// stageBelow is the stage that another one stands on.
func (x *flux) stageBelow(st stage) (below stage, is bool) {
	for _, other := range x.stages {
		if other.from < st.from && other.name != "" && strings.EqualFold(other.name, st.base) {
			below, is = other, true
		}
	}
	return below, is
}

// declared are the variables of a stage, each once.
func (st stage) declared() (names []string) {
	for _, i := range st.all {
		for _, name := range sets(i.command) {
			if !slices.Contains(names, name) && !readUnnamed.MatchString(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// sets are the variables that an instruction declares.
func sets(c instructions.Command) (names []string) {
	for _, g := range values(c) {
		names = append(names, g.name)
	}
	return names
}

// value is what an instruction gives to a variable, as it is written.
type value struct {
	name, text string
	declared   bool // an ARG's, without a value of its own
}

func values(c instructions.Command) (all []value) {
	switch c := c.(type) {
	case *instructions.ArgCommand:
		for _, arg := range c.Args {
			v := value{name: arg.Key, declared: arg.Value == nil}
			if arg.Value != nil {
				v.text = *arg.Value
			}
			all = append(all, v)
		}
	case *instructions.EnvCommand:
		for _, e := range c.Env {
			all = append(all, value{name: e.Key, text: e.Value})
		}
	}
	return all
}

// reads tells whether an instruction may make something of a variable.
func (i instruction) reads(variable string) bool {
	given := values(i.command)
	if len(given) == 0 {
		return i.names(variable)
	}
	return slices.ContainsFunc(given, func(v value) bool { return naming(v.text, variable) })
}

// A command that takes all variables names none.
var takesAll = regexp.MustCompile(`\b(printenv|envsubst|environ|export -p|declare -p)\b|(^|[\s;&|(])env\s*($|[;&|<>)\n])`)

// readsAll tells whether an instruction reads variables without their names.
func (i instruction) readsAll() bool {
	_, is := i.command.(*instructions.RunCommand)
	return is && takesAll.MatchString(i.text)
}

func isArg(c instructions.Command) bool {
	_, is := c.(*instructions.ArgCommand)
	return is
}

func isLabel(c instructions.Command) bool {
	_, is := c.(*instructions.LabelCommand)
	return is
}

// sameLabel tells whether two instructions may set the same label.
func sameLabel(a, b instructions.Command) bool {
	one, is := a.(*instructions.LabelCommand)
	other, too := b.(*instructions.LabelCommand)
	if !is || !too {
		return false
	}
	for _, l := range one.Labels {
		for _, m := range other.Labels {
			if l.Key == m.Key || strings.ContainsAny(l.Key+m.Key, `$"'\`) {
				return true
			}
		}
	}
	return false
}

func isStep(c instructions.Command) bool {
	switch c.(type) {
	case *instructions.RunCommand, *instructions.CopyCommand, *instructions.AddCommand, *instructions.WorkdirCommand:
		return true
	}
	return false
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}
