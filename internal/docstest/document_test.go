// Package docstest keeps the documents true: its tests run every command in them,
// and compare the flags, the fields and the packages that they name with the program's.
// They keep files and types small, too.
package docstest

import (
	"regexp"
	"strconv"
	"strings"
)

// root is the repository's directory, from this package's.
const root = "../.."

// document is a Markdown file.
type document struct {
	name string // its path in the repository
	text string
}

// command is one command in a code block of a document.
type command struct {
	text string
	line int
	exit int // the exit code that the document promises
}

// block is a code block of a document.
type block struct {
	language string
	lines    []string
	line     int // of the first of them
	exit     int // the exit code that the comment above promises
}

var (
	exitMark  = regexp.MustCompile(`^<!-- exit (\d+) -->$`)
	remark    = regexp.MustCompile(`(^|\s+)#( .*)?$`)
	runnable  = regexp.MustCompile(`^([A-Z_]+=\S* )*stoker( |$)`)
	fenceMark = "```"
)

// runs tells whether it is a command of stoker, which the test runs.
func (c command) runs() bool { return runnable.MatchString(c.text) }

// blocks returns the document's code blocks. The comment "<!-- exit N -->" right
// above one says which exit code its commands have, when it is not 0.
func (d document) blocks() []block {
	var list []block
	inside, exit := false, 0
	for i, line := range strings.Split(d.text, "\n") {
		rest, fence := strings.CutPrefix(line, fenceMark)
		mark := exitMark.FindStringSubmatch(line)
		switch {
		case fence && !inside:
			list = append(list, block{language: rest, line: i + 2, exit: exit})
			inside, exit = true, 0
		case fence:
			inside = false
		case inside:
			last := &list[len(list)-1]
			last.lines = append(last.lines, line)
		case mark != nil:
			exit, _ = strconv.Atoi(mark[1]) // it is digits
		}
	}
	return list
}

// section is the part of the document below a heading of the second level, the
// rest of it left blank, so that lines keep their numbers.
func (d document) section(heading string) document { return d.filtered(heading, true) }

// without is the document with that part left blank.
func (d document) without(heading string) document { return d.filtered(heading, false) }

func (d document) filtered(heading string, keep bool) document {
	lines := strings.Split(d.text, "\n")
	inside := false
	for i, line := range lines {
		if title, found := strings.CutPrefix(line, "## "); found {
			inside = title == heading
		}
		if inside != keep {
			lines[i] = ""
		}
	}
	d.text = strings.Join(lines, "\n")
	return d
}

// anchors are what links to the document's headings have behind their #, as GitHub makes them.
func (d document) anchors() []string {
	var list []string
	inside := false
	for line := range strings.SplitSeq(d.text, "\n") {
		inside = inside != strings.HasPrefix(line, fenceMark)
		if heading := strings.TrimLeft(line, "#"); heading != line && !inside {
			heading = notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			list = append(list, strings.ReplaceAll(heading, " ", "-"))
		}
	}
	return list
}

var notInAnchors = regexp.MustCompile(`[^\w\- ]`)

// commands returns the commands in the document's code blocks that are marked
// as "sh". A line that ends with a backslash or a "|" goes on in the next; what
// follows a "#" is a remark.
func (d document) commands() []command {
	var list []command
	for _, b := range d.blocks() {
		if b.language == "sh" {
			list = append(list, b.commands()...)
		}
	}
	return list
}

func (b block) commands() []command {
	var list []command
	var open command
	for i, line := range b.lines {
		if open.text == "" {
			open = command{line: b.line + i, exit: b.exit}
		} else {
			open.text += " "
		}
		part, more := strings.CutSuffix(strings.TrimSpace(remark.ReplaceAllString(line, "")), `\`)
		open.text += strings.TrimSpace(part)
		more = more || strings.HasSuffix(part, "|")
		if !more && open.text != "" {
			list = append(list, open)
			open = command{}
		}
	}
	return list
}
