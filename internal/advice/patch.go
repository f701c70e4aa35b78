package advice

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// patch is what makes a Dockerfile of other lines of it, as "git apply" and "patch -p1"
// take it.
func (f *file) patch(lines []string) string {
	before, after := strings.Join(f.lines, ""), strings.Join(lines, "")
	if before == after {
		return ""
	}
	name := strings.TrimPrefix(filepath.ToSlash(f.name), "/")
	return udiff.Unified("a/"+name, "b/"+name, before, after)
}

// moved returns the lines with some of the instructions below a line.
func (f *file) moved(some []instruction, below int) []string {
	var block, rest []string
	at := below
	for i, line := range f.lines {
		number := i + 1
		if slices.ContainsFunc(some, func(in instruction) bool { return in.first <= number && number <= in.last }) {
			block = append(block, ended(line))
			if number <= below {
				at--
			}
			continue
		}
		rest = append(rest, line)
	}
	if at > 0 && at <= len(rest) {
		rest[at-1] = ended(rest[at-1])
	}
	return slices.Concat(rest[:at], block, rest[at:])
}

func ended(line string) string { return strings.TrimSuffix(line, "\n") + "\n" }

// flagged returns the lines with a flag more for the instruction that begins in one of them.
func (f *file) flagged(line int, flag string) []string {
	lines := slices.Clone(f.lines)
	text := lines[line-1]
	word := strings.Fields(text)[0]
	at := strings.Index(text, word) + len(word)
	lines[line-1] = text[:at] + " " + flag + text[at:]
	return lines
}
