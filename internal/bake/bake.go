// Package bake reads bake and compose files as docker buildx bake does, with its own
// package, and makes a plan of their targets. It builds nothing.
package bake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/pkg/epoch"
	"github.com/containerd/platforms"
	buildx "github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/zclconf/go-cty/cty"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows"
)

// Question says what is to be built of which files.
type Question struct {
	// Files are bake and compose files, "-" for Stdin; none for those that bake looks for.
	Files []string
	Stdin io.Reader
	// Targets are names and patterns of targets and groups; none for "default". Before them
	// may be the address that files are to be read from, which Fetch does, and one for the
	// command's own context.
	Targets []string
	Fetch   Fetch
	// Overrides are what --set says of targets, in its words.
	Overrides []string
	// Vars are values of variables.
	Vars map[string]string
	// Allow are what builds may do beside what all may.
	Allow []string
	// Rows fill the variable RowsVar, where that is not empty.
	Rows    rows.Input
	RowsVar string
	// Listing tells that files are read only to list what is in them: lists that have no
	// value, such as rows that are not given, are taken to be empty.
	Listing bool
}

// Definition is what bake files say, read but not yet resolved.
//
// Large: what is wrong with them is said by what they say, and that is much; its files are by
// what is asked.
type Definition struct {
	question Question
	name     string // what messages call the files
	files    []buildx.File
	local    []string // paths of those of this machine

	url, context string        // where the files are from, empty for this machine; the command's own context
	targets      []string      // that are asked for
	input        *buildx.Input // what contexts are in; nil for this machine

	vars      map[string]string
	rowKind   cty.Type // what the rows' variable takes for each
	options   buildx.ParseOpt
	config    *buildx.Config
	renamed   map[string][]string // the targets of a matrix, by the label of its block
	variables []variable
}

// What environment variables say of bake files, as for docker buildx bake.
const (
	filesVariable     = "BUILDX_BAKE_FILE"
	separatorVariable = "BUILDX_BAKE_PATH_SEPARATOR"
	relativeVariable  = "BUILDX_BAKE_FILE_RELATIVE_PATHS"
)

// The variables that every bake file has.
func (d *Definition) builtin() map[string]string {
	return map[string]string{
		"BAKE_CMD_CONTEXT":    d.context,
		"BAKE_LOCAL_PLATFORM": platforms.Format(platforms.DefaultSpec()),
	}
}

// Read reads bake files.
func Read(ctx context.Context, q Question) (*Definition, error) {
	d := &Definition{question: q, vars: maps.Clone(q.Vars)}
	d.url, d.context, d.targets = q.remote()
	if err := d.readFiles(ctx); err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(os.Getenv(relativeVariable)); text != "" {
		relative, err := strconv.ParseBool(text)
		if err != nil {
			return nil, &mistakes.InputError{What: relativeVariable, Problems: []string{fmt.Sprintf("%q is neither true nor false", text)}}
		}
		d.options.FileRelativePaths = relative
	}
	if err := d.giveRows(); err != nil {
		return nil, err
	}
	return d, d.parse()
}

// readFiles reads the files that are named, or those that bake looks for.
func (d *Definition) readFiles(ctx context.Context) (err error) {
	names, flag := d.question.Files, fileFlag
	if fromEnv := filesFromEnv(); len(names) == 0 && len(fromEnv) > 0 {
		names, flag = fromEnv, filesVariable
	}
	if d.url != "" {
		err = d.readRemoteFiles(ctx, names)
	} else {
		d.files, err = d.readLocal(names, flag)
	}
	if err != nil {
		return err
	}
	found := make([]string, len(d.files))
	for i, f := range d.files {
		if found[i] = f.Name; f.Name == "-" {
			found[i] = "standard input"
		}
	}
	d.name = strings.Join(found, ", ")
	return nil
}

const fileFlag = "-f"

// readLocal reads files of this machine, which a flag names.
func (d *Definition) readLocal(names []string, flag string) ([]buildx.File, error) {
	local := make([]string, len(names))
	for i, name := range names {
		local[i] = strings.TrimPrefix(name, workingDir)
	}
	files, err := buildx.ReadLocalFiles(local, d.question.Stdin, nil)
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &path):
		return nil, &mistakes.InputError{What: flag, Problems: []string{fmt.Sprintf("the bake file %q does not exist", path.Path)},
			Hint: "paths are relative to the working directory"}
	case err != nil:
		return nil, &mistakes.InputError{What: flag, Problems: []string{err.Error()}}
	case len(files) == 0:
		return nil, &mistakes.InputError{What: flag, Problems: []string{"no bake file is here"},
			Hint: "name one with -f; else docker-bake.hcl, docker-bake.json, compose.yaml and docker-compose.yml are looked for, and docker-bake.override.hcl or .json beside them"}
	}
	for _, f := range files {
		if f.Name != "-" {
			d.local = append(d.local, f.Name)
		}
	}
	return files, nil
}

// filesFromEnv are the files that a variable names.
func filesFromEnv() (names []string) {
	separator := cmp.Or(os.Getenv(separatorVariable), string(os.PathListSeparator))
	for _, name := range strings.Split(os.Getenv(filesVariable), separator) {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Paths are the files of this machine that were read, but for standard input.
func (d *Definition) Paths() []string { return d.local }

// parse parses the files, and finds what they do not have of what was asked for.
func (d *Definition) parse() error {
	vars, empty := d.vars, map[string]bool{}
	if d.question.Listing {
		vars, empty = d.withEmpty()
	}
	config, meta, err := d.parseFiles(d.files, vars)
	if err != nil {
		return cmp.Or(d.jsonGiven(), d.wrong(err))
	}
	d.config, d.renamed = config, meta.Renamed["target"]
	if meta.AllVariables != nil { // which is not the same in JSON
		d.variables = []variable{}
	}
	for _, v := range meta.AllVariables {
		if empty[v.Name] {
			v.Value = nil // as it is in the file
		}
		d.variables = append(d.variables, variable(*v))
	}
	slices.SortFunc(d.variables, func(a, b variable) int { return cmp.Compare(a.Name, b.Name) })
	return d.checkVars()
}

// Resolved are targets with all that overrides, groups and inheritance come to.
type Resolved struct {
	definition *Definition
	groups     map[string]*buildx.Group
	targets    map[string]*buildx.Target
	options    map[string]build.Options
	allowed    buildx.EntitlementConf
}

// Resolve resolves the targets that are asked for, and those that they are built on.
func (d *Definition) Resolve(ctx context.Context) (*Resolved, error) {
	allowed, err := d.entitlements()
	if err != nil {
		return nil, err
	}
	asked := slices.Clone(d.targets)
	if len(asked) == 0 {
		asked = []string{"default"}
	}
	if err := d.checkTargets(asked); err != nil {
		return nil, err
	}
	r := &Resolved{definition: d, allowed: allowed, options: map[string]build.Options{}}
	err = d.guarded(func() (err error) {
		r.targets, r.groups, err = buildx.ReadTargets(ctx, d.files, asked, d.question.Overrides, d.builtin(), d.vars, &r.allowed, d.options)
		return err
	})
	if err != nil {
		return nil, d.wrong(err)
	}
	setEpoch(r.targets)
	var found mistakes.Findings
	for _, name := range slices.Sorted(maps.Keys(r.targets)) {
		err := d.guarded(func() (err error) {
			r.options[name], err = d.optionsOf(r.targets[name])
			return err
		})
		if err != nil {
			found.Add(mistakes.Place{Name: "target " + name}, d.wrong(err))
		}
	}
	return r, found.Err(d.name)
}

// optionsOf makes the options of a target's build. As a side effect of bake's package, the
// target's context becomes the one that it is built with.
func (d *Definition) optionsOf(t *buildx.Target) (build.Options, error) {
	all, err := buildx.TargetsToBuildOpt(map[string]*buildx.Target{"": t}, d.input)
	o := all[""]
	if err == nil {
		err = d.checkParts(t, o.Inputs)
	}
	place(&o.Inputs)
	return o, err
}

// setEpoch gives targets the time that reproducible builds have for their own.
func setEpoch(targets map[string]*buildx.Target) {
	value := os.Getenv(epoch.SourceDateEpochEnv)
	if value == "" {
		return
	}
	for _, t := range targets {
		if _, own := t.Args[epoch.SourceDateEpochEnv]; own {
			continue
		}
		if t.Args == nil {
			t.Args = map[string]*string{}
		}
		t.Args[epoch.SourceDateEpochEnv] = &value
	}
}

// Print writes the targets as docker buildx bake --print does.
func (r *Resolved) Print(w io.Writer) error {
	text, err := json.MarshalIndent(struct {
		Group  map[string]*buildx.Group  `json:"group,omitempty"`
		Target map[string]*buildx.Target `json:"target"`
	}{r.groups, r.targets}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}

// Plan makes the plan that builds the targets. It must be closed.
func (r *Resolved) Plan(spec plan.TargetSpec) (*plan.Plan, error) {
	if err := r.checkAllowed(); err != nil {
		return nil, err
	}
	if err := r.readCalls(); err != nil {
		return nil, err
	}
	spec.Name, spec.TagHint = r.definition.name, r.definition.tagHint()
	var targets []plan.Target
	for _, name := range slices.Sorted(maps.Keys(r.targets)) {
		t := plan.Target{Name: name, Options: r.options[name], Linked: r.options[name].Linked}
		if t.Options.CallFunc == nil {
			t.Outputs, t.CacheTo = r.targets[name].Outputs, r.targets[name].CacheTo
		}
		targets = append(targets, t)
	}
	return plan.OfTargets(spec, targets)
}
