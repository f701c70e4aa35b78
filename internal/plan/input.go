package plan

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/stoker-build/stoker/internal/imageref"
)

// InputError tells everything that is wrong with one input, so that it can be
// mended in one go. It always means that no build was started.
type InputError struct {
	What     string   // the input, such as a file's name
	Problems []string // one line each
	Hint     string   // what to do, if there is something to say
}

// How many problems an error lists; a file of another kind has as many as lines.
const problemsInError = 50

func (e *InputError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.What)
	if len(e.Problems) == 1 {
		b.WriteString(e.Problems[0])
	} else {
		fmt.Fprintf(&b, "%d problems:", len(e.Problems))
		for _, p := range e.Problems[:min(len(e.Problems), problemsInError)] {
			b.WriteString("\n  " + p)
		}
		if more := len(e.Problems) - problemsInError; more > 0 {
			fmt.Fprintf(&b, "\n  and %d more", more)
		}
	}
	if e.Hint != "" {
		b.WriteString("\n" + e.Hint)
	}
	return b.String()
}

// Image is one line of an image list.
type Image struct {
	Line int
	Ref  string // as written
}

// The longest line that an image list may hold, in bytes. References are at
// most 255 characters and a tag; what is longer is not an image list.
const maxLine = 64 << 10

// ReadImages reads an image list: one reference per line, blank lines and
// comments (from # on) allowed. A reference that is listed again is left out
// and mentioned in notes. What cannot be read, or holds no reference at all,
// is an *InputError that lists every bad line.
func ReadImages(name string, r io.Reader) (images []Image, notes []string, err error) {
	var found findings
	seen := map[string]int{}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	line := 0
	for scanner.Scan() {
		line++
		if bytes.IndexByte(scanner.Bytes(), 0) >= 0 {
			return nil, nil, &InputError{What: name, Problems: []string{fmt.Sprintf("it does not look like a text file: line %d has NUL characters in it", line)},
				Hint: listHint}
		}
		ref := listEntry(scanner.Bytes(), line == 1)
		if ref == "" {
			continue
		}
		parsed, err := imageref.Parse(ref)
		if err != nil {
			found.add(line, fmt.Errorf("%q: %s", begin(ref), begin(err.Error())))
			continue
		}
		if first, again := seen[parsed.String()]; again {
			notes = append(notes, fmt.Sprintf("%s line %d: %s is the same as line %d; it is built once", name, line, ref, first))
			continue
		}
		seen[parsed.String()] = line
		images = append(images, Image{Line: line, Ref: ref})
	}
	if err := scanner.Err(); err != nil {
		found.add(line+1, err)
	}
	found.hint = listHint
	if err := found.err(name); err != nil {
		return nil, nil, err
	}
	if len(images) == 0 {
		return nil, nil, &InputError{What: name, Problems: []string{"no image references in it"},
			Hint: "write one image reference per line"}
	}
	return images, notes, nil
}

const listHint = "each line must be one image reference, such as docker.io/library/debian:12"

// How much of a line a message quotes, in characters.
const quoted = 80

// begin returns the beginning of a text, as far as a message quotes it, and nothing
// that a terminal would take as a command.
func begin(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > quoted {
		return string(runes[:quoted]) + "..."
	}
	return text
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// listEntry returns what a line says without comment and surrounding blanks.
// A # begins a comment at the start of a line or after a blank, since no
// reference holds either.
func listEntry(line []byte, first bool) string {
	if first {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	s := string(line)
	for i, c := range s {
		if c == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			s = s[:i]
			break
		}
	}
	return strings.TrimSpace(s)
}
