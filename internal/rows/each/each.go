// Package each makes rows of files and directories that a pattern matches: one for each.
package each

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/paths"
	"github.com/stoker-build/stoker/internal/rows"
)

// The flags that rows come from, for messages.
const (
	Flag     = "--each"
	DataFlag = "--each-data"
)

// The columns of each row.
const (
	pathColumn = "Path" // what was matched
	dirColumn  = "Dir"  // the directory that holds it, or that it is
)

// Question says what rows are to be made of.
type Question struct {
	Pattern string
	// Data fills the pattern of a row's sidecar in, a file whose values become the row's;
	// nil for none.
	Data func(columns map[string]any) (string, error)
	// AllowOutside allows files outside of the working directory.
	AllowOutside bool
}

// Answer is what was found.
type Answer struct {
	rows.Input
	// Dockerfiles tells whether the matches are taken for Dockerfiles: not if they are
	// directories, or files of data.
	Dockerfiles bool
}

// Rows makes a row of each match, sorted by their paths.
func Rows(q Question) (Answer, error) {
	f, err := newFinder(q.AllowOutside)
	if err != nil {
		return Answer{}, err
	}
	matches, err := f.matches(q.Pattern)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Input: rows.Input{Name: fmt.Sprintf("%s %q", Flag, q.Pattern)},
		Dockerfiles: slices.ContainsFunc(matches, func(m match) bool { return !m.isDir && decoders[extension(m.path)] == nil })}
	var found mistakes.Findings
	for i, m := range matches {
		row := rows.Row{Place: mistakes.Place{Number: i + 1, Name: m.path}, Identity: m.path}
		columns := m.columns(q.Pattern)
		row.Name = columns[rows.NameColumn].(string)
		err := f.allow(m.path)
		if err == nil {
			err = answer.addSidecar(&row, columns, q.Data, f)
		}
		if err != nil {
			found.Add(row.Place, err)
		}
		answer.Rows = append(answer.Rows, row)
	}
	if err := found.Err(answer.Name); err != nil {
		return Answer{}, err
	}
	switch with := len(answer.Sidecars); {
	case q.Data != nil && with == 0:
		answer.Notes = append(answer.Notes, fmt.Sprintf("%s: none of the %d rows has such a file: its pattern is relative to the working directory", DataFlag, len(matches)))
	case q.Data != nil && with < len(matches):
		answer.Notes = append(answer.Notes, fmt.Sprintf("%s: %d of the %d rows have no such file", DataFlag, len(matches)-with, len(matches)))
	}
	answer.Complete()
	return answer, nil
}

// match is a file or a directory.
type match struct {
	path  string
	isDir bool
}

// columns are those of a match's row.
func (m match) columns(pattern string) map[string]any {
	dir := m.path
	if !m.isDir {
		dir = filepath.Dir(m.path)
	}
	return map[string]any{pathColumn: m.path, dirColumn: dir, rows.NameColumn: m.name(pattern)}
}

// name is what tells a match from others: the directory that holds it, or its own name
// where that is what the pattern leaves open.
func (m match) name(pattern string) string {
	last := filepath.Base(pattern)
	base := filepath.Base(m.path)
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	switch {
	case !strings.ContainsAny(last, `*?[{}`):
		return holder(m.path)
	case m.isDir:
		return base
	case !isDockerfile(stem):
		return stem
	case ext != "": // as in Dockerfile.one
		return ext[1:]
	}
	return holder(m.path)
}

func isDockerfile(name string) bool {
	return strings.EqualFold(name, "Dockerfile") || strings.EqualFold(name, "Containerfile")
}

// holder is the name of the directory that holds a path.
func holder(path string) string {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		dir = filepath.Dir(path)
	}
	return filepath.Base(dir)
}

// finder finds files where they may be.
type finder struct {
	dir     string // the working directory, without links
	allowed bool   // outside of it, too
}

func newFinder(outside bool) (finder, error) {
	dir, err := os.Getwd()
	if err != nil {
		return finder{}, err
	}
	dir, err = filepath.EvalSymlinks(dir)
	return finder{dir, outside}, err
}

// allow returns an error for a path that leads out of the working directory.
func (f finder) allow(path string) error {
	if f.allowed {
		return nil
	}
	within, err := paths.LeadsWithin(f.dir, f.dir, path)
	if err == nil && !within {
		err = &mistakes.InputError{What: Flag, Problems: []string{fmt.Sprintf("%q is outside of the working directory", path)},
			Hint: "run stoker in a directory that holds it, or give --allow-outside"}
	}
	return err
}

// matches finds what a pattern matches. With a slash at its end these are directories alone.
func (f finder) matches(pattern string) ([]match, error) {
	wrong := func(problem, hint string) error {
		return &mistakes.InputError{What: fmt.Sprintf("%s %q", Flag, pattern), Problems: []string{problem}, Hint: hint}
	}
	if !doublestar.ValidatePathPattern(pattern) {
		return nil, wrong("it is no pattern: a bracket or a brace in it is not closed", `to mean a bracket itself, write \[`)
	}
	begin, _ := doublestar.SplitPattern(filepath.ToSlash(pattern))
	if err := f.allow(filepath.FromSlash(begin)); err != nil {
		return nil, err
	}
	found, err := f.glob(pattern)
	if err != nil {
		return nil, wrong(err.Error(), "")
	}
	var all []match
	dirs := 0
	for _, path := range found {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, wrong(err.Error(), "")
		case info.IsDir():
			dirs++
		case strings.HasSuffix(pattern, "/"):
			continue
		}
		all = append(all, match{path, info.IsDir()})
	}
	switch {
	case len(all) == 0:
		return nil, wrong("nothing is there that matches", "the pattern is relative to the working directory, and must be in quotes, so that the shell leaves it alone; hidden files are passed over")
	case dirs > 0 && dirs < len(all):
		return nil, wrong(fmt.Sprintf("it matches directories, such as %s, and files, such as %s", first(all, true), first(all, false)),
			"with a / at its end it matches directories alone; to match a file in each, name it, as in 'tasks/*/Dockerfile'")
	}
	return all, nil
}

func first(all []match, isDir bool) string {
	return all[slices.IndexFunc(all, func(m match) bool { return m.isDir == isDir })].path
}

// glob returns the paths that a pattern matches, sorted. As in a shell, wildcards pass over
// hidden files, and ** over links, which may lead back.
func (f finder) glob(pattern string) ([]string, error) {
	options := []doublestar.GlobOption{doublestar.WithFailOnIOErrors(), doublestar.WithNoHidden()}
	if strings.Contains(pattern, "**") {
		options = append(options, doublestar.WithNoFollow())
	}
	found, err := doublestar.FilepathGlob(strings.TrimRight(pattern, "/"), options...)
	slices.Sort(found)
	return slices.Compact(found), err
}
