package bake

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	buildx "github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/hashicorp/hcl/v2"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plural"
)

// How many names a hint lists.
const namesInHint = 12

// wrong says what bake found wrong: the file, the place in it, and what to do where
// that can be told.
func (d *Definition) wrong(err error) error {
	var said *mistakes.InputError
	if errors.As(err, &said) {
		return err
	}
	if diagnostics, is := asDiagnostics(err); is {
		if named := d.misnamed(diagnostics); named != nil {
			return named
		}
		return d.misread(diagnostics)
	}
	text := err.Error()
	if m := noTarget.FindStringSubmatch(text); m != nil && d.isGroup(m[1]) {
		return d.setOfGroup(m[1])
	}
	for _, known := range []struct {
		says *regexp.Regexp // the parts in brackets fill problem in
		what string
		problem,
		hint string
	}{
		{regexp.MustCompile(`^infinite loop from (\S+) to (\S+)$`), d.name,
			"targets are built on each other in a circle: $1 is built on $2, and that at last on $1", "a target's contexts must lead to targets that are not built on it"},
		{regexp.MustCompile(`^target (\S+) cannot link to itself$`), d.name, "target $1: contexts: it cannot be built on itself", "give another target, or an image with docker-image://"},
		{regexp.MustCompile(`^failed to find target (\S+)$`), d.name, "no target is named $1, as inherits or contexts of another say", ""},
		{noTarget, setFlag, "no target matches $1", ""},
		{regexp.MustCompile(`^unknown key: (\S+)$`), setFlag, "targets have no attribute $1", "it is TARGET.ATTRIBUTE=VALUE, such as app.tags=registry.example/app:1 or '*.args.VERSION=2'"},
		{regexp.MustCompile(`^reading a dockerfile for a remote build invocation is currently not supported$`), "dockerfile",
			"the context is of this machine, and a Dockerfile from elsewhere can only be in a context from there", `write dockerfile = "cwd://Dockerfile" for the one that is here`},
		{regexp.MustCompile(`^(invalid override .*)$`), setFlag, "$1", "it is TARGET.ATTRIBUTE=VALUE, such as app.tags=registry.example/app:1 or '*.args.VERSION=2'"},
	} {
		if !known.says.MatchString(text) {
			continue
		}
		hint := known.hint
		if hint == "" {
			hint = d.namesHint()
		}
		return &mistakes.InputError{What: known.what, Problems: []string{known.says.ReplaceAllString(text, known.problem)}, Hint: hint}
	}
	return &mistakes.InputError{What: d.name, Problems: []string{text}}
}

// How bake says that a pattern of --set matches nothing.
var noTarget = regexp.MustCompile(`^could not find any target matching '(.*)'$`)

const setFlag = "--set"

func (d *Definition) isGroup(name string) bool {
	return slices.ContainsFunc(d.config.Groups, func(g *buildx.Group) bool { return g.Name == name })
}

// setOfGroup says that --set takes targets and no groups, and how those of one are named.
func (d *Definition) setOfGroup(name string) error {
	made := d.renamed[name]
	e := &mistakes.InputError{What: setFlag, Problems: []string{fmt.Sprintf("%s is a group, and only targets have attributes", name)},
		Hint: "name the group's targets instead"}
	if len(made) > 0 {
		e.Problems = []string{fmt.Sprintf("%s is the group of a matrix, whose targets have names of their own", name)}
		e.Hint = "name these: " + plural.Some(made, namesInHint, ", ")
		if !slices.ContainsFunc(made, func(target string) bool { return !strings.HasPrefix(target, name+"-") }) {
			e.Hint = fmt.Sprintf("to mean all of them, write '%s-*'", name)
		}
	}
	return e
}

func asDiagnostics(err error) (diagnostics hcl.Diagnostics, is bool) {
	is = errors.As(err, &diagnostics)
	return diagnostics, is
}

// placed puts a place of a bake file before a problem.
func placed(at hcl.Range, problem string) string {
	return fmt.Sprintf("line %d, column %d: %s", at.Start.Line, at.Start.Column, problem)
}

// fileOf is what messages call the file of a place.
func (d *Definition) fileOf(at hcl.Range) string {
	if at.Filename == "-" || len(d.files) == 1 {
		return d.name
	}
	return at.Filename
}

// onlyFile is the file that all faults are in; empty where they are in several, or it is not
// told.
func (d *Definition) onlyFile(diagnostics hcl.Diagnostics) (file string) {
	for _, found := range diagnostics {
		switch {
		case found.Severity != hcl.DiagError:
		case found.Subject == nil, file != "" && file != d.fileOf(*found.Subject):
			return ""
		default:
			file = d.fileOf(*found.Subject)
		}
	}
	return file
}

// misread says what is wrong with a bake file, and where. Of what is wrong with one place
// the first counts: what follows comes of it.
func (d *Definition) misread(diagnostics hcl.Diagnostics) error {
	e := &mistakes.InputError{}
	said, missing := map[hcl.Range]bool{}, d.valueless()
	one := d.onlyFile(diagnostics)
	e.What = cmp.Or(one, d.name)
	for _, found := range diagnostics {
		if found.Severity != hcl.DiagError {
			continue
		}
		problem := found.Summary
		if found.Detail != "" && found.Detail != found.Summary {
			problem += ": " + found.Detail
		}
		if at := found.Subject; at != nil {
			if said[*at] {
				continue
			}
			said[*at] = true
			if problem = placed(*at, problem); one == "" {
				problem = d.fileOf(*at) + ": " + problem
			}
		}
		e.Problems = append(e.Problems, problem)
		if e.Hint == "" && strings.Contains(problem, "null") {
			e.Hint = d.nulls()
		}
		if found.Expression == nil {
			continue
		}
		for _, uses := range found.Expression.Variables() {
			if kind, is := missing[uses.RootName()]; is {
				e.Hint = noValue(uses.RootName(), kind)
			}
		}
	}
	return e
}

// known are the names of all targets and groups.
func (d *Definition) known() (names []string) {
	if d.config == nil {
		return nil
	}
	for _, t := range d.config.Targets {
		names = append(names, t.Name)
	}
	for _, g := range d.config.Groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Names are those of all targets and groups, but for the private ones.
func (d *Definition) Names() []string { return slices.DeleteFunc(d.known(), isPrivate) }

// isPrivate tells names that are of use in the file alone.
func isPrivate(name string) bool { return strings.HasPrefix(name, "_") }

func (d *Definition) namesHint() string {
	names := d.Names()
	if len(names) == 0 {
		return "the file has no targets"
	}
	return "targets and groups: " + plural.Some(names, namesInHint, ", ")
}

// checkTargets makes sure that the targets which are asked for are there.
func (d *Definition) checkTargets(asked []string) error {
	names := d.known()
	e := &mistakes.InputError{What: d.name, Hint: d.namesHint()}
	for _, name := range asked {
		matches := func(other string) bool {
			match, err := path.Match(strings.ReplaceAll(name, ".", "_"), other)
			return err == nil && match
		}
		switch {
		case slices.ContainsFunc(names, matches):
		case strings.ContainsAny(name, "*?[]"):
			e.Problems = append(e.Problems, fmt.Sprintf("no target or group matches %q", name))
		case len(d.targets) == 0:
			e.Problems = append(e.Problems, `no target is asked for, and none or no group is named "default"`)
		default:
			e.Problems = append(e.Problems, fmt.Sprintf("no target or group is named %q%s", name, mistakes.DidYouMean(name, "", names)))
		}
	}
	if len(e.Problems) > 0 {
		return e
	}
	return nil
}

// checkVars makes sure that values are given to variables that are there. A compose file
// has those that it uses.
func (d *Definition) checkVars() error {
	var names []string
	for _, v := range d.variables {
		names = append(names, v.Name)
	}
	e := &mistakes.InputError{What: "--var", Hint: d.name + " has no variables"}
	if len(names) > 0 {
		e.Hint = "variables of " + d.name + ": " + plural.Some(names, namesInHint, ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(d.question.Vars)) {
		known := slices.Contains(names, name) || slices.Contains(names, strings.TrimSuffix(name, jsonSuffix))
		if !known && !slices.ContainsFunc(d.files, func(f buildx.File) bool { return isCompose(f) && mayUse(f, name) }) {
			e.Problems = append(e.Problems, fmt.Sprintf("no variable is named %q%s", name, mistakes.DidYouMean(name, "", names)))
		}
	}
	if len(e.Problems) > 0 {
		return e
	}
	return nil
}

// mayUse tells whether a compose file can be one that uses a variable: it names it, in ${NAME}
// or as an argument that has the variable's value, or Compose itself reads the variable.
func mayUse(f buildx.File, name string) bool {
	return strings.HasPrefix(name, "COMPOSE_") || regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\b`).Match(f.Data)
}

// isCompose tells a compose file from a bake file.
func isCompose(f buildx.File) bool {
	_, is, err := buildx.ParseHCLFile(f.Data, f.Name)
	return !is || err != nil
}

// tagHint says how a target is given a tag.
func (d *Definition) tagHint() string {
	if !slices.ContainsFunc(d.files, func(f buildx.File) bool { return !isCompose(f) }) {
		return "give each service an image, such as image: registry.example/app:1"
	}
	return `give each target tags, such as tags = ["registry.example/app:1"]`
}

// entitlements are what builds may do: read and write below the working directory, and
// what is allowed beside that.
func (d *Definition) entitlements() (buildx.EntitlementConf, error) {
	allowed, err := buildx.ParseEntitlements(d.question.Allow)
	if err != nil {
		return allowed, &mistakes.InputError{What: allowFlag, Problems: []string{err.Error()},
			Hint: "such as network.host, security.insecure, ssh, device=NAME, fs.read=PATH, fs.write=PATH or fs=PATH"}
	}
	dir, err := os.Getwd()
	allowed.FSRead, allowed.FSWrite = append(allowed.FSRead, dir), append(allowed.FSWrite, dir)
	return allowed, err
}

const allowFlag = "--allow"

// checkAllowed makes sure that no target does what was not allowed. Nobody is asked: the
// error says with which flags it would be.
func (r *Resolved) checkAllowed() error {
	var found mistakes.Findings
	for _, name := range slices.Sorted(maps.Keys(r.options)) {
		missing, err := r.allowed.Validate(map[string]build.Options{name: r.options[name]})
		if err == nil {
			err = missing.Check(r.definition.url != "")
		}
		if err == nil {
			continue
		}
		if _, flags, named := strings.Cut(err.Error(), "pass "); named {
			flags, _, _ = strings.Cut(flags, " to grant")
			err = &mistakes.InputError{What: allowFlag, Problems: []string{"it does what is not allowed without " + strings.Trim(flags, `"`)},
				Hint: "look at what the bake file says there, and give the flags where that is right; BUILDX_BAKE_ENTITLEMENTS_FS=0 allows all paths"}
		}
		found.Add(mistakes.Place{Name: "target " + name}, err)
	}
	return found.Err(r.definition.name)
}
