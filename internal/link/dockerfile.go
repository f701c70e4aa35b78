package link

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Dockerfile is one that was read.
type Dockerfile struct {
	text        string
	nodes       []*parser.Node
	first, last int // the lines of the last stage of a target; 0 for no end
	runs        bool
}

// ErrUnread says that this version of BuildKit's parser does not read a Dockerfile.
var ErrUnread = errors.New("the Dockerfile cannot be read")

// Parse reads a Dockerfile, of which a target is built; empty stands for its last stage.
func Parse(text []byte, target string) (*Dockerfile, error) {
	ast, err := parser.Parse(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnread, err)
	}
	stages, _, err := instructions.Parse(ast.AST, nil)
	if err != nil || len(stages) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrUnread, err)
	}
	i := len(stages) - 1
	if target != "" {
		var there bool
		if i, there = instructions.HasStage(stages, target); !there {
			return nil, fmt.Errorf("%w: it has no stage %s", ErrUnread, target)
		}
	}
	d := &Dockerfile{text: string(text), nodes: ast.AST.Children, first: beginning(stages[i]), runs: runIn(stages, i)}
	if i+1 < len(stages) {
		d.last = beginning(stages[i+1])
	}
	return d, nil
}

// runIn tells whether a RUN stands in a stage, or in one that it is built on.
func runIn(stages []instructions.Stage, i int) bool {
	for _, c := range stages[i].Commands {
		if _, is := c.(*instructions.RunCommand); is {
			return true
		}
	}
	below, is := instructions.HasStage(stages[:i], stages[i].BaseName)
	return is && runIn(stages, below)
}

// Runs tells whether a RUN stands in the last stage, or in one that it is built on: then
// nothing is linked.
func (d *Dockerfile) Runs() bool { return d.runs }

// Copies are the lines of the last stage in which a COPY or ADD begins that may be linked.
func (d *Dockerfile) Copies() (lines []int) {
	for _, n := range d.nodes {
		if d.inLast(n.StartLine) && d.copies(n.StartLine) && !saysLink(n) {
			lines = append(lines, n.StartLine)
		}
	}
	return lines
}

// beginning is the line of a stage's FROM.
func beginning(s instructions.Stage) int {
	if len(s.Location) == 0 {
		return 0
	}
	return s.Location[0].Start.Line
}

// inLast tells whether a line is in the stage of the target.
func (d *Dockerfile) inLast(line int) bool { return line > d.first && (d.last == 0 || line < d.last) }

// node returns the instruction that begins at a line.
func (d *Dockerfile) node(line int) *parser.Node {
	i := slices.IndexFunc(d.nodes, func(n *parser.Node) bool { return n.StartLine == line })
	if i < 0 {
		return nil
	}
	return d.nodes[i]
}

// copies tells whether a COPY or ADD begins at a line.
func (d *Dockerfile) copies(line int) bool {
	n := d.node(line)
	return n != nil && (strings.EqualFold(n.Value, command.Copy) || strings.EqualFold(n.Value, command.Add))
}

// saysLink tells whether an instruction says itself if it is linked.
func saysLink(n *parser.Node) bool {
	return slices.ContainsFunc(n.Flags, func(flag string) bool {
		name, _, _ := strings.Cut(flag, "=")
		return name == "--link"
	})
}

// Text is the instruction that begins at a line, as one.
func (d *Dockerfile) Text(line int) string {
	if n := d.node(line); n != nil {
		return n.Original
	}
	return ""
}

// Linked returns the Dockerfile with some of its steps linked. Each line stays where it is.
func (d *Dockerfile) Linked(edits []Edit) ([]byte, error) {
	lines := strings.SplitAfter(d.text, "\n")
	for _, e := range edits {
		n := d.node(e.Line)
		if n == nil || n.EndLine > len(lines) {
			return nil, fmt.Errorf("no instruction begins at line %d", e.Line)
		}
		if err := linkLines(n, lines[n.StartLine-1:n.EndLine], e.Owner); err != nil {
			return nil, err
		}
	}
	return []byte(strings.Join(lines, "")), nil
}

// linkLines links the instruction that stands in some lines.
func linkLines(n *parser.Node, lines []string, owner *Owner) error {
	if owner != nil {
		if err := chownLines(n, lines, *owner); err != nil {
			return err
		}
	}
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " \t"))
	end := indent + len(n.Value)
	if end > len(lines[0]) || !strings.EqualFold(lines[0][indent:end], n.Value) {
		return fmt.Errorf("line %d does not begin with %s", n.StartLine, strings.ToUpper(n.Value))
	}
	lines[0] = lines[0][:end] + " --link" + lines[0][end:]
	return nil
}

// chownLines writes numbers in the place of names.
func chownLines(n *parser.Node, lines []string, owner Owner) error {
	for _, flag := range n.Flags {
		if !strings.HasPrefix(flag, "--chown=") {
			continue
		}
		in := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, flag) })
		if in < 0 || strings.Count(strings.Join(lines, ""), flag) != 1 {
			return fmt.Errorf("line %d: %s is not found once", n.StartLine, flag)
		}
		lines[in] = strings.Replace(lines[in], flag, "--chown="+owner.String(), 1)
		return nil
	}
	return fmt.Errorf("line %d has no --chown", n.StartLine)
}
