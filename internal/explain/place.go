package explain

import (
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/stoker-build/stoker/internal/ledger"
)

// place is where steps are looked for that are like another.
type place struct {
	file string
	line int
	text string
	// nth is how many steps of the line come before it: those that a base image adds
	// (ONBUILD) all stand where it is named.
	nth int
	// order is the line's number among those of the file that have steps.
	order int
}

// spot is a place, upon a step.
type spot struct {
	place
	on string
}

// laid begins what the builder calls a step that lays a linked one upon an image.
const laid = "LINK "

// isCommand tells that a step is a RUN of which it is known what it runs.
func isCommand(s *ledger.Step) bool { return s.Op == "exec" && s.Parts["command"] != "" }

// written tells steps apart by what the Dockerfile has, as far as that is known: a builder
// calls a step by what its variables stand for, and only of a command it is told how it was
// written. What a step has laid upon an image is another step than that which made it, also
// where both are one in the Dockerfile.
func written(s *ledger.Step) string {
	switch {
	case isCommand(s):
		return "RUN " + s.Parts["command"]
	case strings.HasPrefix(s.LinkedAs, laid):
		return laid + s.Text
	}
	return s.Text
}

// lineOf is the same for all steps of a run that are one line of a Dockerfile, whatever its
// variables stand for. Contexts from elsewhere may have different Dockerfiles of one name:
// so what the line does counts, too.
func (r *run) lineOf(s *ledger.Step) place {
	p := place{file: s.File, line: s.Line, text: written(s)}
	if s.Op != "exec" {
		rest, isLaid := strings.CutPrefix(p.text, laid)
		p.text, _, _ = strings.Cut(rest, " ")
		if isLaid {
			p.text = laid + p.text
		}
	}
	if on, known := r.byID[first(s)]; known && s.Line > 0 && r.at[on].file == s.File && r.at[on].line == s.Line {
		p.nth = r.at[on].nth + 1
	}
	return p
}

// linesOf are the lines of files that have steps, in order.
func linesOf(steps []ledger.Step) map[string][]int {
	lines := map[string][]int{}
	for i := range steps {
		if s := &steps[i]; s.Line > 0 {
			lines[s.File] = append(lines[s.File], s.Line)
		}
	}
	for file, all := range lines {
		slices.Sort(all)
		lines[file] = slices.Compact(all)
	}
	return lines
}

// places are those at which a step is looked for, the best first: in one run its line, and then
// with the same text, wherever it stands, and else where it stands, which comments above it
// leave in the order of the steps, and another target in the line. Of base images it is the name.
func (r *run) places(i int) [][]place {
	s := &r.steps[i]
	if s.Line == 0 {
		return [][]place{{{text: string(s.Kind) + s.Text}}, {{text: string(s.Kind)}}}
	}
	before, _ := slices.BinarySearch(r.lines[s.File], s.Line)
	nth := r.at[i].nth
	all := [][]place{{{file: s.File, text: written(s)}}, {{file: s.File, order: before + 1, nth: nth}, {file: s.File, line: s.Line, nth: nth}}}
	if r.within {
		return slices.Insert(all, 0, []place{r.at[i]})
	}
	return all
}

// first is what a step is made from first; empty for nothing.
func first(s *ledger.Step) string {
	if len(s.On) == 0 {
		return "-"
	}
	return s.On[0]
}

// rest stands for words that are not the same in all texts of a line.
const rest = "…"

// common are the words that two texts have in common, and "…" for others.
func common(a, b string) string {
	if a == b {
		return a
	}
	was := wordLines(a)
	var kept strings.Builder
	at := 0
	for _, e := range udiff.Lines(was, wordLines(b)) {
		kept.WriteString(was[at:e.Start] + rest + "\n")
		at = e.End
	}
	kept.WriteString(was[at:])
	words := slices.CompactFunc(strings.Fields(kept.String()), func(a, b string) bool { return a == rest && b == rest })
	return strings.Join(words, " ")
}

// wordLines has each word of a text on a line of its own.
func wordLines(s string) string { return strings.Join(strings.Fields(s), "\n") + "\n" }
