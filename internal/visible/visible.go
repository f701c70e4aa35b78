// Package visible makes text from outside fit to be shown: names, steps, errors and
// output come from plans and builds, and must neither move the cursor nor look like
// lines of Stoker's own.
package visible

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/charmbracelet/x/ansi"
)

// Line is a text on one line. Terminal sequences and invisible runes vanish, line
// breaks and tabs become blanks, bytes that are not UTF-8 become U+FFFD.
func Line(s string) string { return strings.TrimSpace(Text(s)) }

// Head is Line of the beginning of a text that may be long, with at most so many runes.
func Head(s string, most int) string {
	runes := []rune(Line(s[:min(len(s), 8*most)])) // of which sequences may take some
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

// Cut is Line of a text that may be long, in at most so many columns. It ends with a whole word
// where one ends near to where it is cut.
func Cut(s string, columns int) string {
	line := Line(s)
	if ansi.StringWidth(line) <= columns {
		return line
	}
	head := ansi.Truncate(line, columns-1, "")
	if at := strings.LastIndexByte(head, ' '); at > 0 && ansi.StringWidth(head[at:]) <= columns/4 {
		return strings.TrimRight(head[:at], " …") + " …"
	}
	return head + "…"
}

// Text is Line for text of which the blanks at its ends count.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case hidden(r):
			return -1
		}
		return r
	}, withoutSequences(strings.ToValidUTF8(s, "\uFFFD")))
}

// Lines is a text of several lines, each of which is made visible by itself.
func Lines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Text(line)
	}
	return strings.Join(lines, "\n")
}

// Patch is Lines of a patch, such as can be copied: tabs stay, and where what cannot be
// seen counts, as the carriage returns of CRLF lines do, it says where to have it whole.
func Patch(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		cells := strings.Split(line, "\t")
		for n, cell := range cells {
			cells[n] = Text(cell)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	text := strings.Join(lines, "\n")
	if text != s {
		text += "(This patch does not apply as it is shown, without carriage returns or others that cannot be seen: --format json has it whole.)\n"
	}
	return text
}

// FirstLine is what comes before the first line break: of an error, what a person needs.
func FirstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// hidden tells whether a rune controls how others are shown: the control
// characters C0, DEL and C1, and Unicode's format characters, among them all
// that change the direction of text.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// sevenBits writes the control characters that begin and end sequences as the others
// that mean the same, which alone are known where text is UTF-8.
var sevenBits = strings.NewReplacer("\u009b", "\x1b[", "\u009d", "\x1b]", "\u0090", "\x1bP", "\u0098", "\x1bX",
	"\u009e", "\x1b^", "\u009f", "\x1b_", "\u009c", "\x1b\\")

// withoutSequences takes out the whole terminal sequences. One that is cut off hides
// nothing: only its first character goes.
func withoutSequences(s string) string {
	s = sevenBits.Replace(s)
	start := strings.IndexByte(s, ansi.ESC)
	if start < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:start])
	for s = s[start:]; s != ""; {
		seq, _, n, state := ansi.DecodeSequence(s, ansi.NormalState, nil)
		switch {
		case state != ansi.NormalState:
			n = 1
		case seq[0] != ansi.ESC:
			b.WriteString(seq)
		}
		s = s[n:]
	}
	// The decoder ends a sequence within a rune that has the byte of an end in it.
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// JSON writes the hidden runes of a JSON text as escapes. The text means the same,
// but is safe to print.
func JSON(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Escaped writes the hidden runes of a text as escapes, but for its line feeds, for readers to
// whom all of it counts.
func Escaped(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		if r == '\n' || !hidden(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// Command is Lines of a shell's command: a line break stays only where it is quoted, and so a part
// of a word. Elsewhere it would be the end of the command, and what follows another one.
func Command(s string) string {
	var b strings.Builder
	quoted, escaped := false, false
	for _, r := range Lines(s) {
		switch {
		case r == '\n' && !quoted:
			r = ' '
		case r == '\'' && !escaped:
			quoted = !quoted
		}
		escaped = r == '\\' && !quoted && !escaped
		b.WriteRune(r)
	}
	return b.String()
}
