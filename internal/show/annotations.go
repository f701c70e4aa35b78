package show

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// GitHub shows no more annotations of a step.
const mostAnnotations = 10

// annotations are GitHub's workflow commands for the causes of failures, which it
// shows on the run's page and beside the lines of the Dockerfiles. Those are named
// from the workspace, where they are in it; dir is the working directory.
func annotations(groups []ledger.FailureGroup, workspace, dir string) []string {
	var out []string
	for _, g := range groups[:min(len(groups), mostAnnotations)] {
		f := g.Failure
		title := plural.Of(g.Jobs, "image") + " failed"
		if f.Step != "" {
			title += ": " + shorten(visible.Line(f.Step), 80)
		}
		properties := "title=" + property(title)
		if file := below(workspace, dir, f.File); file != "" && f.Line > 0 {
			properties = fmt.Sprintf("file=%s,line=%d,%s", property(visible.Line(file)), f.Line, properties)
		}
		text := reason(g.Common().String()) + "\n" + strings.Join(g.Names(visible.Line), ", ")
		for _, l := range outputLines(f, finalOutput) {
			text += "\n" + l
		}
		out = append(out, "::error "+properties+"::"+data(text))
	}
	return out
}

// below is a file's path from the workspace; empty where it is not in it.
func below(workspace, dir, file string) string {
	if workspace == "" || file == "" {
		return ""
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	path, err := filepath.Rel(workspace, file)
	if err != nil || !filepath.IsLocal(path) {
		return ""
	}
	return filepath.ToSlash(path)
}

// data and property escape as GitHub's runner reads it (toolkit, command.ts).
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
