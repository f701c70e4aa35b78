// Package annotate writes the workflow commands by which a step of GitHub Actions shows
// annotations, on the run's page and beside lines of files, and keeps all else that is written
// there from being taken for one. It is pure.
package annotate

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stoker-build/stoker/internal/visible"
)

// Most is how many of a level GitHub shows of a step.
const Most = 10

// longestText is how much of a text is kept, in runes: GitHub's runner cuts it at 4,096.
const longestText = 4000

// Annotation is an error or a warning beside a line of a file.
type Annotation struct {
	// Level is "error", "warning" or "notice".
	Level string
	Title string
	Text  string
	// File is named from the working directory; empty for none, as Line is 0.
	File string
	Line int
}

// Command returns the workflow command. The file is named from the workspace, where it is
// in that; dir is the working directory.
func (a Annotation) Command(workspace, dir string) string {
	properties := "title=" + property(a.Title)
	if file := below(workspace, dir, a.File); file != "" && a.Line > 0 {
		properties = fmt.Sprintf("file=%s,line=%d,%s", property(visible.Line(file)), a.Line, properties)
	}
	return "::" + a.Level + " " + properties + "::" + data(cut(a.Text))
}

func cut(text string) string {
	if runes := []rune(text); len(runes) > longestText {
		return string(runes[:longestText]) + "…"
	}
	return text
}

// Commands are those of annotations, as many of a level as GitHub shows.
func Commands(all []Annotation, workspace, dir string) (commands []string) {
	count := map[string]int{}
	for _, a := range all {
		if count[a.Level]++; count[a.Level] <= Most {
			commands = append(commands, a.Command(workspace, dir))
		}
	}
	return commands
}

// inlineFile is how a Dockerfile is called that stands in a bake file, where its lines have
// other numbers; that of what a job is built on has the name of its target before it.
const inlineFile = "dockerfile-inline"

// below is a file's path from the workspace; empty where it is not in it.
func below(workspace, dir, file string) string {
	if workspace == "" || file == "" || file == inlineFile || strings.HasSuffix(file, ": "+inlineFile) {
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
