package builder

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/moby/buildkit/client"
)

const (
	// How many lines of a step's output are kept.
	keptLines = 10
	// How much of a line is kept, in bytes.
	keptLine = 500
)

// output is the last of what a step prints.
type output struct {
	lines []outputLine       // whole ones, as they came
	begun map[int]outputLine // by the stream that has not ended it
}

type outputLine struct {
	at   time.Time
	text []byte
}

// add takes what the step has printed to one of its streams.
func (o *output) add(l *client.VertexLog) {
	if o.begun == nil {
		o.begun = map[int]outputLine{}
	}
	for part := range bytes.Lines(l.Data) {
		line := o.begun[l.Stream]
		line.at = l.Timestamp
		line.text = append(line.text, part...)
		// What comes behind a return overwrites the line, as progress bars do.
		if at := bytes.LastIndexByte(bytes.TrimRight(line.text, "\r\n"), '\r'); at >= 0 {
			line.text = line.text[at+1:]
		}
		ended := bytes.HasSuffix(line.text, []byte("\n"))
		line.text = line.text[:min(len(line.text), keptLine)]
		if !ended {
			o.begun[l.Stream] = line
			continue
		}
		delete(o.begun, l.Stream)
		o.lines = append(o.lines, line)
		// Of both streams, since they may come out of order.
		o.lines = o.lines[max(len(o.lines)-2*keptLines, 0):]
	}
}

// last returns the last lines in the order of time, as plain text.
func (o *output) last() []string {
	lines := slices.Clone(o.lines)
	for _, line := range o.begun {
		lines = append(lines, line)
	}
	slices.SortStableFunc(lines, func(a, b outputLine) int { return a.at.Compare(b.at) })
	var out []string
	for _, l := range lines {
		if text := plainText(string(l.text)); text != "" {
			out = append(out, text)
		}
	}
	return out[max(len(out)-keptLines, 0):]
}

// plainText is a line of output without colours, movements of the cursor and what
// else cannot be seen.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, ansi.Strip(strings.ToValidUTF8(s, "\uFFFD")))
	return strings.TrimRight(s, " ")
}

// telling matches lines that name an error in the words that programs have for it.
var telling = regexp.MustCompile(`(?i)\b(?:errors?|fatal|failed|failure|cannot|can't|could not|unable|not found|no such|denied|refused|invalid|undefined|unknown|missing|killed|timed out)\b|^E: `)

// mostTelling returns the line that tells best why a step failed: the last that names
// an error, else the last.
func mostTelling(lines []string) string {
	for _, l := range slices.Backward(lines) {
		if telling.MatchString(l) {
			return strings.TrimSpace(l)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.TrimSpace(lines[len(lines)-1])
}
