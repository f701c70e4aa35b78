package visible

import "strings"

// notMarkup writes what Markdown takes for markup, GitHub's mentions among it, as text.
var notMarkup = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "~", `\~`, "#", `\#`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;")

// Markdown is a text as it stands in a paragraph, a list or a table of Markdown, of which
// nothing in it is markup.
func Markdown(s string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(s)) {
		lines = append(lines, notMarkup.Replace(Line(line)))
	}
	return strings.Join(lines, "<br>")
}
