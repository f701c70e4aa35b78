package redact

import "strings"

// IsTemplate tells whether a value only says where in a row it is to be found, as
// {{.api_key}} does: it is no secret itself.
func IsTemplate(value string) bool {
	end := actionsAt(value, 0)
	return end > 0 && end == len(value)
}

// templateAt tells whether such a value begins at i.
func templateAt(s string, i int) bool {
	end := actionsAt(s, i)
	return end > i && (end == len(s) || isSpace(s[end]) || isQuote(s[end]) || strings.IndexByte(`\,&`, s[end]) >= 0)
}

// actionsAt is where the actions of a template end that stand at i, one after the other. In
// none of them is a text, which may be anything.
func actionsAt(s string, i int) int {
	for strings.HasPrefix(s[i:], "{{") {
		length := strings.Index(s[i:], "}}")
		if length < 0 || strings.ContainsAny(s[i+2:i+length], "\"'`\\{\r\n") {
			break
		}
		i += length + len("}}")
	}
	return i
}
