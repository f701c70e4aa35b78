package advice

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
)

// worthSeconds is how much a misplaced variable must cost, where that is known.
const worthSeconds = 1

// Variables of these names are read by programs that nobody calls them to.
var readUnnamed = regexp.MustCompile(`^(PATH|HOME|USER|SHELL|TZ|LANG|LANGUAGE|LC_.*|DEBIAN_.*|APT_.*|PIP_.*|UV_.*|POETRY_.*|CONDA_.*|VIRTUAL_ENV|` +
	`NPM_.*|YARN_.*|NODE_.*|PYTHON.*|GO[A-Z0-9]+|CGO_.*|CARGO_.*|RUST.*|JAVA_.*|MAVEN_.*|GRADLE_.*|GEM_.*|BUNDLE_.*|LD_.*|CC|CXX|[A-Z]*FLAGS|` +
	`SOURCE_DATE_EPOCH|GIT_(DIR|WORK_TREE|SSH.*|CONFIG.*|AUTHOR.*|COMMITTER.*)|.*_PROXY)$|^[a-z]`)

// Variables of these names are others in each run, where one is given a value.
var changing = regexp.MustCompile(`(^|_)(SHA|SHA1|SHA256|COMMIT|REVISION|REV|VCS_REF|GIT_REF|DATE|TIME|TIMESTAMP|BUILD_ID|BUILD_NUMBER|RUN_ID|RUN_NUMBER|CACHEBUST|CACHE_BUST)$`)

// misplaced finds variables that differ from job to job, or from run to run, and stand
// above steps that name neither them nor what is made of them.
func (f *file) misplaced() (all []Advice) {
	x := newFlux(f)
	for _, st := range f.stages {
		for _, m := range x.moves(st) {
			if !m.timed || m.unknown || m.seconds >= worthSeconds {
				all = append(all, f.advised(m))
			}
		}
	}
	return all
}

// flux is what changes in a Dockerfile.
type flux struct {
	*file
	// changes tells of each assignment whether what it gives differs from job to job, or from
	// run to run, by what was seen of the steps between it and the next one of that variable.
	changes map[assignment]change
	// before is what changes as the Dockerfile is.
	before fickle
}

func newFlux(f *file) *flux {
	x := &flux{file: f, changes: map[assignment]change{}}
	for _, st := range f.stages {
		for n, i := range st.all {
			for _, name := range sets(i.command) {
				to := st.to
				if next := slices.IndexFunc(st.all[n+1:], func(i instruction) bool { return slices.Contains(sets(i.command), name) }); next >= 0 {
					to = st.all[n+1+next].first
				}
				c := x.seen(name, i.last, to)
				c.byRun = c.byRun || isArg(i.command) && f.isGiven(name) && changing.MatchString(strings.ToUpper(name))
				x.changes[assignment{i.first, name}] = c
			}
		}
	}
	x.before = x.fickle(asWritten)
	return x
}

// seen tells how a variable changes in the steps between two lines. Two values in one job are
// none: only steps of the same line are compared.
func (x *flux) seen(name string, from, to int) (c change) {
	values := map[int]string{}
	for _, s := range x.steps {
		hash, has := s.Env[name]
		if !has || s.Line <= from || s.Line > to {
			continue
		}
		if other, known := values[s.Line]; known && other != hash {
			c.byJob = true
		}
		values[s.Line] = hash
		l := x.given.Learned[s.Called()]
		was, had := l.Env[name]
		c.byRun = c.byRun || slices.Contains(l.Varied, name) || had && was != hash
	}
	return c
}

func (f *file) isGiven(name string) bool {
	return slices.ContainsFunc(f.jobs, func(j *plan.Job) bool { return j.Options.BuildArgs[name] != "" })
}

// move is a group of instructions that can be moved, and what that spares.
type move struct {
	group
	priceOf
	byJob, byRun bool
	makings      int
	spared       []*ledger.Step
}

// moves are what can be moved of a stage, and spares something: what hangs on one variable,
// or on several where that spares more than any of them alone, since the others would still change.
func (x *flux) moves(st stage) (all []move) {
	var roots, byRun, byJob []string
	for _, name := range st.declared() {
		c := change{}
		for _, i := range st.all {
			of := x.changes[assignment{i.first, name}]
			c.byJob, c.byRun = c.byJob || of.byJob, c.byRun || of.byRun
		}
		if c.byRun {
			byRun = append(byRun, name)
		}
		if c.byJob {
			byJob = append(byJob, name)
		}
		if c.byRun || c.byJob {
			roots = append(roots, name)
		}
	}
	most := move{}
	for _, name := range roots {
		m := x.moveOf(st, []string{name})
		if m.makings == 0 {
			continue
		}
		if i := slices.IndexFunc(all, m.moves); i >= 0 {
			all[i].blame([]string{name})
			continue
		}
		m.blame(slices.DeleteFunc(slices.Clone(roots), func(other string) bool { return !m.sets(other) }))
		all = append(all, m)
		most = dearest(most, m)
	}
	for _, together := range [][]string{byRun, byJob, roots} {
		if len(together) < 2 {
			continue
		}
		if m := x.moveOf(st, together); m.costs(most) > 0 {
			all, most = []move{m}, m
		}
	}
	return all
}

// sets tells whether one of what is moved gives a variable a value.
func (m move) sets(name string) bool {
	return slices.ContainsFunc(m.some, func(i instruction) bool { return slices.Contains(sets(i.command), name) })
}

// blame names variables that change as those for which all is moved.
func (m *move) blame(names []string) {
	for _, name := range names {
		if !slices.Contains(m.roots, name) {
			m.roots = append(m.roots, name)
		}
	}
}

// moves tells whether another move is of the same instructions to the same place.
func (m move) moves(other move) bool {
	return m.below == other.below && slices.EqualFunc(m.some, other.some, func(a, b instruction) bool { return a.first == b.first })
}

func dearest(a, b move) move {
	if b.costs(a) > 0 {
		return b
	}
	return a
}

// costs compares what two moves spare.
func (m move) costs(other move) int {
	return cmp.Or(cmp.Compare(m.seconds, other.seconds), cmp.Compare(m.makings, other.makings))
}

// moveOf tells what is spared where all is moved that hangs on some variables.
func (x *flux) moveOf(st stage, roots []string) move {
	m := move{group: st.group(roots), priceOf: priceOf{learned: x.given.Learned}}
	if len(m.some) == 0 || x.isSet(st, m.names, m.some[0].first) {
		return m
	}
	after := x.fickle(func(other stage) []instruction {
		if other.from == st.from {
			return m.reordered(st)
		}
		return other.all
	})
	with, without := x.standings(x.before, group{}), x.standings(after, m.group)
	var order []string
	of := map[string][]*ledger.Step{}
	for _, s := range x.steps {
		if of[s.Called()] == nil {
			order = append(order, s.Called())
		}
		of[s.Called()] = append(of[s.Called()], s)
	}
	for _, called := range order {
		m.spare(called, of[called], with, without)
	}
	return m
}

// spare adds what is spared of the steps of a text: makings of those that are others only
// since the variables are, and in a later run all of those that are the same then.
func (m *move) spare(called string, steps []*ledger.Step, with, without map[string]standing) {
	were, are, again := map[key]int{}, map[key]int{}, map[key]bool{}
	for _, s := range steps {
		were[with[s.ID].key]++
		are[without[s.ID].key]++
		if without[s.ID].stays && !with[s.ID].stays {
			again[without[s.ID].key] = true
		}
	}
	for _, s := range steps {
		if k := without[s.ID].key; again[k] || are[k] > were[with[s.ID].key] {
			m.spared = append(m.spared, s)
		}
	}
	makings := len(were) - len(are) + len(again)
	m.byJob, m.byRun = m.byJob || len(were) > len(are), m.byRun || len(again) > 0
	m.makings += makings
	m.add(called, makings)
}

// advised tells people of a move.
func (f *file) advised(m move) Advice {
	when := "from run to run"
	switch {
	case m.byJob && m.byRun:
		when = "from job to job and from run to run"
	case m.byJob:
		when = "from job to job"
	}
	changes, them := " changes ", "it"
	if len(m.roots) > 1 {
		changes, them = " change ", "them"
	}
	text := plural.And(m.roots) + changes + when + ", and the steps below " + them + " that "
	if made := m.made(); len(made) > 0 {
		text += "name neither " + them + " nor what is made of " + them + " (" + strings.Join(made, ", ") + ")"
	} else {
		text += "do not name " + them
	}
	return Advice{Rule: MisplacedVariable, File: f.name, Line: m.some[0].first, Jobs: f.namesOf(m.spared), Price: m.price(),
		Text:   text + " are run anew each time: " + linesOf(m.spared),
		Remedy: fmt.Sprintf("move %s below line %d", named(m.some), m.below),
		Patch:  f.patch(f.moved(m.some, m.below))}
}

// named says which instructions are meant.
func named(some []instruction) string {
	var words []string
	for _, i := range some {
		words = append(words, fmt.Sprintf("%s (line %d)", strings.ToUpper(i.command.Name()), i.first))
	}
	return plural.And(words)
}

// linesOf says where steps stand.
func linesOf(steps []*ledger.Step) string {
	var lines []int
	for _, s := range steps {
		if !slices.Contains(lines, s.Line) {
			lines = append(lines, s.Line)
		}
	}
	slices.Sort(lines)
	text := "line "
	if len(lines) > 1 {
		text = "lines "
	}
	return text + strings.Trim(strings.ReplaceAll(fmt.Sprint(lines), " ", ", "), "[]")
}
