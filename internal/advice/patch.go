package advice

import (
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// patch is what makes a Dockerfile of other lines of it, as "git apply" and "patch -p1"
// take it; empty where there is no file of it.
func (f *file) patch(lines []string) string {
	before, after := strings.Join(f.lines, ""), strings.Join(lines, "")
	name := f.patched
	if before == after || name == "" {
		return ""
	}
	if strings.Contains(name, " ") {
		name += "\t" // ends the name, for patch
	}
	return udiff.Unified("a/"+name, "b/"+name, before, after)
}

// moved returns the lines with some of the instructions, and the comments on them, below a line.
func (f *file) moved(some []instruction, below int) []string {
	var block, rest []string
	at := below
	for i, line := range f.lines {
		number := i + 1
		if slices.ContainsFunc(some, func(in instruction) bool { return f.comment(in.first) <= number && number <= in.last }) {
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

// comment is the first line of the comment right above a line, or the line itself. What begins a file may
// be directives, which stay there.
func (f *file) comment(line int) int {
	first := line
	for first > 1 && strings.HasPrefix(strings.TrimSpace(f.lines[first-2]), "#") {
		first--
	}
	if first == 1 {
		return line
	}
	return first
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
