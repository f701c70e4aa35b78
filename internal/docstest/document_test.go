// Package docstest keeps the documents true: its tests run every command in
// them, and compare the flags and fields that they name with the program's.
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

var (
	exitMark  = regexp.MustCompile(`^<!-- exit (\d+) -->$`)
	remark    = regexp.MustCompile(`(^|\s+)#( .*)?$`)
	runnable  = regexp.MustCompile(`^([A-Z_]+=\S* )*stoker( |$)`)
	fenceMark = "```"
)

// runs tells whether it is a command of stoker, which the test runs.
func (c command) runs() bool { return runnable.MatchString(c.text) }

// commands returns the commands in the document's code blocks that are marked
// as "sh". A line that ends with a backslash goes on in the next; what follows
// a "#" is a remark. The comment "<!-- exit N -->" right above a block says
// which exit code its commands have, when it is not 0.
func (d document) commands() []command {
	var list []command
	var open command
	exit, inside, other := 0, false, false
	for i, line := range strings.Split(d.text, "\n") {
		if rest, fence := strings.CutPrefix(line, fenceMark); fence {
			switch {
			case inside, other:
				inside, other, exit = false, false, 0
			default:
				inside, other = rest == "sh", rest != "sh"
			}
			continue
		}
		if m := exitMark.FindStringSubmatch(line); m != nil && !inside && !other {
			exit, _ = strconv.Atoi(m[1]) // it is digits
			continue
		}
		if !inside {
			continue
		}
		if open.text == "" {
			open = command{line: i + 1, exit: exit}
		} else {
			open.text += " "
		}
		part, more := strings.CutSuffix(strings.TrimSpace(remark.ReplaceAllString(line, "")), `\`)
		open.text += strings.TrimSpace(part)
		if !more && open.text != "" {
			list = append(list, open)
			open = command{}
		}
	}
	return list
}
