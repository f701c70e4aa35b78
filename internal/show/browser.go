package show

import (
	"slices"
	"unicode/utf8"
)

// spot is what a person looks at by keys.
type spot int

const (
	atRun  spot = iota // the run as a whole, as without keys
	atJobs             // the list of jobs
	atJob              // one job: its steps, and its log as it grows
)

// browser is where a person is in the live view. It is a value: press returns what it is after a
// key.
type browser struct {
	keys   bool // there is somebody who can press some
	spot   spot
	help   bool
	chosen string // the job under the cursor, by its name: lists change
	filter string
	typing bool   // the keys go to the filter
	above  int    // how many lines of the log are below the screen; 0 follows it
	note   string // an answer to the last key
}

// What keys do, as the help has it.
var keysHelp = [][2]string{
	{"j, k, arrows", "down and up"},
	{"space, b", "a page down and up"},
	{"g, G", "the first and the last"},
	{"Enter", "opens a job: its steps, its log"},
	{"/", "finds jobs by words of name, state, reason"},
	{"Esc, q", "back"},
	{"?", "this help"},
	{"Ctrl-C", "stops the run; a second one at once"},
}

const (
	keysHint  = "j/k jobs · Enter opens · / finds · ? keys"
	goesOn    = "The run goes on; Ctrl-C stops it."
	nothingIs = "no job has begun yet"
)

// press is what a key does. jobs are those of the list, and page how many lines are on the screen.
func (b browser) press(key string, jobs []*bookedJob, page int) browser {
	b.note = ""
	switch {
	case b.help:
		b.help = false
		return b
	case b.typing:
		return b.typed(key)
	}
	switch key {
	case "?":
		b.help = true
	case "esc", "q", "left", "h":
		return b.back(key)
	case "/":
		b.spot, b.typing, b.filter = atJobs, true, ""
	case "enter", "right", "l":
		return b.open(jobs)
	}
	if by := moves(key, page); by != 0 {
		return b.move(by, jobs)
	}
	return b
}

// toEnd is farther than any list is long.
const toEnd = 1 << 30

// moves is by how many lines a key moves down.
func moves(key string, page int) int {
	switch key {
	case "j", "down":
		return 1
	case "k", "up":
		return -1
	case "space", "pgdown", "ctrl+f":
		return page
	case "b", "pgup", "ctrl+b":
		return -page
	case "g", "home":
		return -toEnd
	case "G", "end":
		return toEnd
	}
	return 0
}

func (b browser) move(by int, jobs []*bookedJob) browser {
	switch {
	case b.spot == atJob:
		b.above = max(b.above-by, 0) // how far up there is something is known where it is drawn
	case len(jobs) == 0 && b.filter == "":
		b.note = nothingIs
	case b.spot == atRun: // the first key only shows where the cursor is
		b.spot = atJobs
		b.chosen = nameAt(jobs, b.index(jobs))
		if by == toEnd {
			b.chosen = nameAt(jobs, by)
		}
	default:
		b.chosen = nameAt(jobs, b.index(jobs)+by)
	}
	return b
}

// index is that of the chosen job; 0 where that is not in the list.
func (b browser) index(jobs []*bookedJob) int {
	return max(slices.IndexFunc(jobs, func(j *bookedJob) bool { return j.name == b.chosen }), 0)
}

func nameAt(jobs []*bookedJob, i int) string {
	if len(jobs) == 0 {
		return ""
	}
	return jobs[min(max(i, 0), len(jobs)-1)].name
}

func (b browser) open(jobs []*bookedJob) browser {
	switch {
	case b.spot == atJob:
	case b.spot == atRun:
		return b.move(1, jobs)
	case len(jobs) > 0:
		b.spot, b.above = atJob, 0
		b.chosen = nameAt(jobs, b.index(jobs))
	}
	return b
}

// back goes back to where one came from. From the run as a whole there is no way back that would
// not end it.
func (b browser) back(key string) browser {
	switch {
	case b.spot == atJob:
		b.spot = atJobs
	case b.filter != "":
		b.filter = ""
	case b.spot == atJobs:
		b.spot = atRun
	case key == "q":
		b.note = goesOn
	}
	return b
}

// typed adds a key to the filter.
func (b browser) typed(key string) browser {
	switch {
	case key == "enter":
		b.typing = false
	case key == "esc":
		b.typing, b.filter = false, ""
	case key == "backspace":
		_, last := utf8.DecodeLastRuneInString(b.filter)
		b.filter = b.filter[:len(b.filter)-last]
	case key == "space":
		b.filter += " "
	case utf8.RuneCountInString(key) == 1:
		b.filter += key
	}
	return b
}
