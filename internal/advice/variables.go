package advice

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
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
// above steps that do not name them.
func (f *file) misplaced() (all []Advice) {
	for _, st := range f.stages {
		for _, name := range st.declared() {
			if a, is := f.misplacedIn(st, name); is {
				all = append(all, a)
			}
		}
	}
	return all
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
	switch c := c.(type) {
	case *instructions.ArgCommand:
		for _, arg := range c.Args {
			names = append(names, arg.Key)
		}
	case *instructions.EnvCommand:
		for _, e := range c.Env {
			names = append(names, e.Key)
		}
	}
	return names
}

func (f *file) misplacedIn(st stage, name string) (a Advice, is bool) {
	byJob, byRun := f.changes(name)
	move, below, movable := st.move(name)
	if !byJob && !byRun || !movable {
		return a, false
	}
	first := move[0].first
	plain, without := f.keys(name)
	affected := map[string][]*ledger.Step{}
	var order []string
	var spared []*ledger.Step
	for _, s := range f.steps {
		if s.Line <= first || s.Line > below || !without[s.ID].free || plain[s.ID].free {
			continue
		}
		if affected[s.Text] == nil {
			order = append(order, s.Text)
		}
		affected[s.Text] = append(affected[s.Text], s)
		spared = append(spared, s)
	}
	p := priceOf{learned: f.given.Learned}
	for _, text := range order {
		p.add(text, makings(affected[text], without, byJob, byRun))
	}
	if len(spared) == 0 || p.timed && !p.unknown && p.seconds < worthSeconds {
		return a, false
	}
	when := "from run to run"
	switch {
	case byJob && byRun:
		when = "from job to job and from run to run"
	case byJob:
		when = "from job to job"
	}
	lines := linesOf(spared)
	a = Advice{Rule: MisplacedVariable, File: f.name, Line: first, Jobs: f.namesOf(spared), Price: p.price(),
		Text: fmt.Sprintf("%s changes %s, and the steps below it that do not name it are run anew each time: %s", name, when, lines)}
	a.Remedy = fmt.Sprintf("move %s below line %d", named(move), below)
	a.Patch = f.patch(f.moved(move, below))
	return a, true
}

// changes tells whether a variable differs between jobs, and whether between runs.
func (f *file) changes(name string) (byJob, byRun bool) {
	values := map[string]bool{}
	for _, s := range f.steps {
		hash, has := s.Env[name]
		if !has {
			continue
		}
		values[hash] = true
		l := f.given.Learned[s.Text]
		was, had := l.Env[name]
		byRun = byRun || slices.Contains(l.Varied, name) || had && was != hash
	}
	given := slices.ContainsFunc(f.jobs, func(j *plan.Job) bool { return j.Options.BuildArgs[name] != "" })
	return len(values) > 1, byRun || given && changing.MatchString(strings.ToUpper(name))
}

// move returns the instructions of a stage that are about a variable and nothing else, and
// the line below which they can stand: that before the first other one that names it, or
// the stage's last step.
func (st stage) move(name string) (some []instruction, below int, possible bool) {
	for _, i := range st.all {
		switch {
		case len(some) == 0 && !slices.Contains(sets(i.command), name):
			continue
		case i.names(name) && isAbout(i, name):
			some = append(some, i)
			continue
		case len(some) > 0 && i.names(name):
			return some, below, below > some[0].first
		}
		if isStep(i.command) {
			below = i.last
		}
	}
	return some, below, len(some) > 0 && below > some[0].first
}

// isAbout tells that an instruction sets one variable, or labels, and so can be moved with it.
func isAbout(i instruction, name string) bool {
	if _, is := i.command.(*instructions.LabelCommand); is {
		return true
	}
	all := sets(i.command)
	return len(all) == 1 && all[0] == name
}

func isStep(c instructions.Command) bool {
	switch c.(type) {
	case *instructions.RunCommand, *instructions.CopyCommand, *instructions.AddCommand, *instructions.WorkdirCommand:
		return true
	}
	return false
}

// standing is what a step is, and whether that is whatever the variable is.
type standing struct {
	key  [sha256.Size]byte
	free bool
}

// keys tell what all steps are, with a variable and without it where nothing names it.
func (f *file) keys(name string) (with, without map[string]standing) {
	with, without = map[string]standing{}, map[string]standing{}
	forms, dropped := map[*ledger.StepForm]standing{}, map[*ledger.StepForm]standing{}
	for i := range f.given.Steps {
		s := &f.given.Steps[i]
		if _, known := forms[s.StepForm]; !known {
			in, is := f.at(s.Line)
			forms[s.StepForm] = ofForm(s.StepForm, name, false)
			dropped[s.StepForm] = ofForm(s.StepForm, name, is && s.File == f.name && !in.names(name))
		}
		with[s.ID] = standingOf(s, forms[s.StepForm], with)
		without[s.ID] = standingOf(s, dropped[s.StepForm], without)
	}
	return with, without
}

// ofForm is how steps of a form stand by themselves.
func ofForm(form *ledger.StepForm, name string, drop bool) (out standing) {
	_, has := form.Env[name]
	out.free = !has || drop
	h := sha256.New()
	for _, m := range []map[string]string{form.Env, form.Parts, form.Files} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !drop || k != name {
				fmt.Fprintf(h, "%q=%q ", k, m[k])
			}
		}
	}
	copy(out.key[:], h.Sum(nil))
	return out
}

// standingOf is how a step stands upon what it is made from.
func standingOf(s *ledger.Step, form standing, known map[string]standing) standing {
	out := standing{free: form.free}
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
		out.free = out.free && below.free
		_, _ = h.Write(below.key[:])
	}
	copy(out.key[:], h.Sum(nil))
	return out
}

// makings is how many makings of a line's steps would be spared: those that are others only
// since the variable is, and in a later run all.
func makings(steps []*ledger.Step, without map[string]standing, byJob, byRun bool) int {
	distinct := map[[sha256.Size]byte]bool{}
	for _, s := range steps {
		distinct[without[s.ID].key] = true
	}
	n := 0
	if byJob {
		n += len(steps) - len(distinct)
	}
	if byRun {
		n += len(distinct)
	}
	return n
}

// named says which instructions are meant.
func named(some []instruction) string {
	var words []string
	for _, i := range some {
		words = append(words, fmt.Sprintf("%s (line %d)", strings.ToUpper(i.command.Name()), i.first))
	}
	return strings.Join(words, " and ")
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
