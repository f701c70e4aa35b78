package rows

import (
	"bufio"
	"bytes"
	"errors"
	"unicode/utf8"
)

// ErrNotText says that a text is none.
var ErrNotText = errors.New("it is not UTF-8 text")

var byteOrderMark = []byte("\xef\xbb\xbf")

// SkipMark passes over what some programs begin a file of text with.
func SkipMark(r *bufio.Reader) {
	if begin, _ := r.Peek(len(byteOrderMark)); bytes.Equal(begin, byteOrderMark) {
		_, _ = r.Discard(len(byteOrderMark)) // they are there
	}
}

// Position is the line and the column of a place in a text, by the number of bytes
// before it. The first are 1; columns are counted in characters.
func Position(text []byte, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[begin:]) + 1
}
