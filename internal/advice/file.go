package advice

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// file is a Dockerfile, with the jobs that have it and their steps.
type file struct {
	name    string
	patched string // what a patch calls it; empty where there is no file
	given   Given
	lines   []string
	stages  []stage
	jobs    []*plan.Job
	steps   []*ledger.Step // that stand in it
}

// stage is a part of a Dockerfile, by its lines; the first line is 1.
type stage struct {
	name, base string
	from, to   int // the lines of FROM and of its last instruction
	all        []instruction
}

type instruction struct {
	first, last int // lines
	text        string
	command     instructions.Command
}

// filesOf are the Dockerfiles of a plan that can be read here. Where several are called
// the same, what stands in which is not known.
func filesOf(g Given) (files []*file) {
	byName, sources := map[string]*file{}, map[string]*plan.Source{}
	for _, j := range g.Jobs {
		source := sourceOf(j)
		name := source.Name()
		f := byName[name]
		if f == nil {
			f = newFile(source, g)
			byName[name], sources[name] = f, source
			files = append(files, f)
		}
		if string(sources[name].Dockerfile()) != string(source.Dockerfile()) {
			f.stages = nil
		}
		f.jobs = append(f.jobs, j)
	}
	for i := range g.Steps {
		if s := &g.Steps[i]; s.Line > 0 && byName[s.File] != nil {
			f := byName[s.File]
			f.steps = append(f.steps, s)
		}
	}
	return slices.DeleteFunc(files, func(f *file) bool { return len(f.stages) == 0 })
}

// sourceOf is a job's Dockerfile as people have it, without what was linked by itself.
func sourceOf(j *plan.Job) *plan.Source {
	if j.Proved != nil {
		return j.Proved.Plain.Source
	}
	return j.Source
}

func newFile(s *plan.Source, g Given) *file {
	f := &file{name: s.Name(), patched: s.Patched(), given: g, lines: strings.SplitAfter(string(s.Dockerfile()), "\n")}
	stages, err := s.Stages()
	if err != nil {
		return f
	}
	for _, st := range stages {
		f.stages = append(f.stages, f.stage(st))
	}
	return f
}

func (f *file) stage(st instructions.Stage) stage {
	out := stage{name: st.Name, base: st.BaseName}
	for _, r := range st.Location {
		out.from = r.Start.Line
	}
	out.to = out.from
	for _, c := range st.Commands {
		i := instruction{command: c}
		for _, r := range c.Location() {
			if i.first == 0 {
				i.first = r.Start.Line
			}
			i.last = max(i.last, r.End.Line, r.Start.Line)
		}
		i.text = strings.Join(f.lines[i.first-1:min(i.last, len(f.lines))], "")
		out.to = max(out.to, i.last)
		out.all = append(out.all, i)
	}
	return out
}

// names tells whether an instruction has a variable's name in it, in whatever way.
func (i instruction) names(variable string) bool { return naming(i.text, variable) }

func naming(text, variable string) bool {
	for rest := text; ; {
		at := strings.Index(rest, variable)
		if at < 0 {
			return false
		}
		end := at + len(variable)
		if (at == 0 || !inName(rest[at-1])) && (end == len(rest) || !inName(rest[end])) {
			return true
		}
		rest = rest[end:]
	}
}

func inName(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

// at returns the instruction that begins in a line.
func (f *file) at(line int) (instruction, bool) {
	for _, st := range f.stages {
		for _, i := range st.all {
			if i.first == line {
				return i, true
			}
		}
	}
	return instruction{}, false
}

// namesOf are the jobs that have some steps, in the plan's order.
func (f *file) namesOf(steps []*ledger.Step) (names []string) {
	has := map[string]bool{}
	for _, s := range steps {
		for _, name := range s.Names {
			has[name] = true
		}
	}
	for _, j := range f.jobs {
		if has[j.Name] {
			names = append(names, j.Name)
		}
	}
	return names
}
