package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// browsed is what keys have opened in the live view, as lines that fill the screen.
type browsed struct {
	frame
	browser
	book *jobBook
	log  logTail
}

func (v browsed) String() string {
	if v.help {
		return v.screen(v.header(), v.helpLines(), "any key goes back")
	}
	if j := v.book.byName[v.chosen]; v.spot == atJob && j != nil {
		return v.screen(v.jobHeader(j), v.jobLines(j), "j/k scroll · G follows · q back · ? keys")
	}
	jobs := v.book.list(v.running, v.filter)
	return v.screen(v.header(), v.jobList(jobs), v.listHint(jobs))
}

// screen fills the screen: a head, lines, and at its lower end what keys do.
func (v browsed) screen(head string, lines []string, hint string) string {
	room := v.page()
	lines = append([]string{head}, lines[:min(len(lines), room)]...)
	lines = append(lines, make([]string, max(room+1-len(lines), 0))...)
	switch {
	case v.note != "":
		hint = v.note
	case v.stopping != "" && !v.typing:
		hint = "stopping, Ctrl-C again quits at once · " + hint
	}
	lines = append(lines, v.dim(fitHint(hint, v.width)))[:max(min(room+2, v.height), 1)]
	for i := range lines {
		lines[i] = truncate(lines[i], v.width)
	}
	return strings.Join(lines, "\n")
}

// page is how many lines there are between the head and the hint.
func (f frame) page() int { return max(f.height-2, 1) }

func (v browsed) helpLines() []string {
	lines := []string{""}
	for _, k := range keysHelp {
		name := v.bold(pad(k[0], 12)) + " "
		for text := range strings.SplitSeq(ansi.Wrap(k[1], max(v.width-14, 10), ""), "\n") {
			lines = append(lines, " "+name+text)
			name = pad("", 13)
		}
	}
	return lines
}

// fitHint leaves out what there is no room for: of what keys do the last but one first, as the
// last tells of all.
func fitHint(hint string, width int) string {
	parts := strings.Split(hint, " · ")
	for len(parts) > 2 && ansi.StringWidth(strings.Join(parts, " · ")) > width {
		parts = slices.Delete(parts, len(parts)-2, len(parts)-1)
	}
	return truncate(strings.Join(parts, " · "), width)
}

func (v browsed) listHint(jobs []*bookedJob) string {
	if v.typing {
		return "/" + v.filter + "▏ Enter keeps, Esc clears · " + plural.Of(len(jobs), "job")
	}
	text := fmt.Sprintf("%d of %s", min(v.index(jobs)+1, len(jobs)), plural.Of(len(jobs), "job"))
	if v.filter != "" {
		text += " with /" + v.filter
	}
	return text + " · Enter opens · / finds · q back · ? keys"
}

// jobList is the part of the list around the chosen job.
func (v browsed) jobList(jobs []*bookedJob) []string {
	if len(jobs) == 0 && v.filter != "" {
		return []string{"", "  no job that has begun has " + v.filter}
	}
	at, room := v.index(jobs), v.page()
	from := min(max(at-room/2, 0), max(len(jobs)-room, 0))
	jobs = jobs[from:min(from+room, len(jobs))]
	longest := 0
	for _, j := range jobs {
		longest = max(longest, ansi.StringWidth(j.name))
	}
	nameWidth := min(longest, v.columns()/2-4)
	var lines []string
	for i, j := range jobs {
		lines = append(lines, v.jobRow(j, nameWidth, from+i == at))
	}
	return lines
}

func (v browsed) jobRow(j *bookedJob, nameWidth int, chosen bool) string {
	cursor, name := "  ", pad(shorten(j.name, nameWidth), nameWidth)
	if chosen {
		cursor, name = v.bold("> "), v.bold(name)
	}
	took := padLeft(whole(j.since(v.now)), 6)
	room := max(v.columns()-nameWidth-len(took)-7, 0)
	text := truncate(j.text(), room)
	if j.status == ledger.Failed {
		text = shorten(j.text(), room)
	}
	return cursor + v.mark(j) + " " + name + "  " + v.dim(pad(text, room)) + " " + took
}

// mark is a job's state as one character, which tells it without colours too.
func (v browsed) mark(j *bookedJob) string {
	switch j.word() {
	case "running":
		return v.warn("●")
	case "built":
		return v.good("✓")
	case "failed":
		return v.bad("✗")
	}
	return v.info("–")
}

func (v browsed) jobHeader(j *bookedJob) string {
	right := "  " + j.word() + " " + whole(j.since(v.now))
	if j.attempt > 1 {
		right = fmt.Sprintf("  attempt %d,%s", j.attempt, right[1:])
	}
	room := max(v.columns()-ansi.StringWidth(right), 0)
	return v.mark(j) + " " + v.bold(pad(shorten(j.name, room-2), room-2)) + right
}

// jobLines are a job's reason, its steps and its log, which takes what is left.
func (v browsed) jobLines(j *bookedJob) []string {
	lines := v.stepLines(j)
	return append(lines, v.logLines(j, v.page()-len(lines))...)
}

// mostAbove is by how many lines one can go up in an opened job's log.
func (v browsed) mostAbove() int {
	j := v.book.byName[v.chosen]
	if j == nil {
		return 0
	}
	return max(len(v.log.lines)-(v.page()-len(v.stepLines(j))-1), 0)
}

// stepLines are a job's reason and the last of its steps.
func (v browsed) stepLines(j *bookedJob) []string {
	var lines []string
	if j.reason != "" {
		lines = append(lines, v.bad(shorten(j.reason, v.width)))
	}
	most := max((v.page()-len(lines))/3, 1)
	steps := j.steps[max(len(j.steps)-most, 0):]
	for i, s := range steps {
		until := v.now
		switch {
		case i+1 < len(steps):
			until = steps[i+1].at
		case j.status != "":
			until = j.began.Add(j.took)
		}
		took := padLeft(whole(until.Sub(s.at)), 6)
		room := max(v.columns()-len(took)-1, 0)
		lines = append(lines, pad(truncate(s.text, room), room)+" "+took)
	}
	return lines
}

// logLines are a heading and as much of the log as there is room for.
func (v browsed) logLines(j *bookedJob, room int) []string {
	title := "no log yet"
	if j.log != "" {
		title = shorten(visible.Line(j.log), max(v.width-4, 1))
	}
	lines := []string{v.dim("── " + title)}
	if v.log.path != j.log {
		return lines
	}
	if v.log.err != "" {
		return append(lines, v.warn(v.log.err))
	}
	room = max(room-1, 1)
	end := max(len(v.log.lines)-v.above, min(room, len(v.log.lines)))
	return append(lines, v.log.lines[max(end-room, 0):end]...)
}
