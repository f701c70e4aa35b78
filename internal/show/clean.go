package show

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
)

// sequences matches the whole terminal sequences: CSI (colours, cursor), the
// string sequences OSC, DCS, SOS, PM and APC, and the short ones. What is cut
// off or malformed does not match; of that, clean only drops the hidden runes.
var sequences = regexp.MustCompile(
	`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]` +
		`|(?:\x1b[\]PX^_]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}])[^\x07\x1b\x{9c}]*(?:\x07|\x1b\\|\x{9c})` +
		`|\x1b[ -/]*[0-Z\\^-~]`)

// clean makes text from outside fit to be shown on one line: names, steps and
// errors come from plans and builds, and must neither move the cursor nor look
// like lines of the view. Terminal sequences and invisible runes vanish, line
// breaks and tabs become spaces, bytes that are not UTF-8 become U+FFFD.
func clean(s string) string { return strings.TrimSpace(visible(s)) }

// visible is clean for text of which the blanks at its ends count.
func visible(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = sequences.ReplaceAllString(s, "")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case hidden(r):
			return -1
		}
		return r
	}, s)
}

// hidden tells whether a rune controls how others are shown: the control
// characters C0, DEL and C1, and Unicode's format characters, among them all
// that change the direction of text.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// escapeHidden writes the hidden runes of a JSON text as escapes. The text
// means the same, but is safe to print.
func escapeHidden(text string) string {
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
