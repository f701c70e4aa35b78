package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// Build arguments that BuildKit reads without an ARG of their name: proxies in either
// case, its own, and what it tells of platforms (frontend/dockerfile/dockerfile2llb).
var predefinedArgs = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "SOURCE_DATE_EPOCH",
	"BUILDPLATFORM", "BUILDOS", "BUILDOSVERSION", "BUILDARCH", "BUILDVARIANT",
	"TARGETPLATFORM", "TARGETOS", "TARGETOSVERSION", "TARGETARCH", "TARGETVARIANT", "TARGETSTAGE",
}

func predefined(arg string) bool {
	return strings.HasPrefix(arg, "BUILDKIT_") ||
		slices.ContainsFunc(predefinedArgs, func(known string) bool { return strings.EqualFold(arg, known) })
}

// unusedArgs notes build arguments that a Dockerfile has no ARG for: they change
// nothing, and builders do not say so. What cannot be read here is not judged.
func (m *maker) unusedArgs(p *Plan) (notes []string) {
	given := slices.Concat(slices.Collect(maps.Keys(m.args)), slices.Collect(maps.Keys(m.spec.PlainArgs)))
	given = slices.DeleteFunc(given, predefined)
	slices.Sort(given)
	if len(given) == 0 {
		return nil
	}
	declared := map[*Source]map[string]bool{}
	for _, j := range p.Jobs {
		if _, done := declared[j.Source]; !done {
			declared[j.Source] = j.declaredArgs()
		}
	}
	for _, arg := range slices.Compact(given) {
		if note := unusedArg(arg, p.Jobs, declared, given); note != "" {
			notes = append(notes, note)
		}
	}
	return notes
}

// unusedArg is the note on one argument; empty where each Dockerfile has it.
func unusedArg(arg string, jobs []*Job, declared map[*Source]map[string]bool, given []string) string {
	unused, others := 0, map[string]bool{}
	for _, j := range jobs {
		if args := declared[j.Source]; args != nil && !args[arg] {
			unused++
			maps.Copy(others, args)
		}
	}
	for _, name := range given {
		delete(others, name) // which nobody meant by this one
	}
	where := "the Dockerfile has"
	switch {
	case unused == 0:
		return ""
	case len(declared) > 1:
		where = fmt.Sprintf("the Dockerfiles of %d of the %d jobs have", unused, len(jobs))
	}
	return fmt.Sprintf("--build-arg %s: %s no ARG of that name%s", arg, where, mistakes.DidYouMean(arg, "", slices.Sorted(maps.Keys(others))))
}

// declaredArgs returns the arguments that the job's Dockerfile has an ARG for; nil where
// that cannot be told here.
func (j *Job) declaredArgs() map[string]bool {
	if covered, _ := j.Source.syntax(j.Options); !covered {
		return nil
	}
	stages, global, err := parseDockerfile(j.Source.dockerfile)
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for _, c := range argCommands(stages, global) {
		for _, arg := range c.Args {
			names[arg.Key] = true
		}
	}
	return names
}

// argCommands are all ARG instructions of a Dockerfile.
func argCommands(stages []instructions.Stage, global []instructions.ArgCommand) []instructions.ArgCommand {
	all := slices.Clone(global)
	for _, st := range stages {
		for _, c := range st.Commands {
			if arg, ok := c.(*instructions.ArgCommand); ok {
				all = append(all, *arg)
			}
		}
	}
	return all
}
