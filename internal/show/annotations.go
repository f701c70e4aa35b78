package show

import (
	"strings"

	"github.com/stoker-build/stoker/internal/annotate"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// annotations are GitHub's workflow commands for the causes of failures. Files are named
// from the workspace; dir is the working directory.
func annotations(groups []ledger.FailureGroup, workspace, dir string) []string {
	var out []string
	for _, g := range groups[:min(len(groups), annotate.Most)] {
		f := g.Failure
		a := annotate.Annotation{Level: "error", Title: plural.Of(g.Jobs, "image") + " failed", File: f.File, Line: f.Line}
		if f.Step != "" {
			a.Title += ": " + shorten(visible.Line(f.Step), 80)
		}
		a.Text = reason(g.Common().String()) + "\n" + strings.Join(g.Names(visible.Line), ", ")
		for _, l := range outputLines(f, finalOutput) {
			a.Text += "\n" + l
		}
		out = append(out, a.Command(workspace, dir))
	}
	return out
}
