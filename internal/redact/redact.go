// Package redact makes text fit for logs, events, the record and reports: what
// is secret in it is replaced. It knows secrets by their values, where a caller
// has them, and otherwise by where they stand: in the user part of an URL, after
// a key such as TOKEN=, in an Authorization header; and it knows the shapes of
// widely used tokens.
package redact

import (
	"slices"
	"strings"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// Redactor replaces secrets in text. It never changes once made, so that its
// methods may be called concurrently.
type Redactor struct{ known *known }

// New returns a redactor that knows the given values beside what every redactor
// knows. It finds a value as it is, each line of one that has several, and what
// base64, URL encoding and quoting make of them. Values shorter than 6 bytes
// are ignored: they would be found everywhere.
func New(secrets ...string) *Redactor {
	return &Redactor{known: newKnown(secrets)}
}

// String returns a text with Mark in the place of each secret. Text without any
// is returned as it is, as is text that was redacted before.
func (r *Redactor) String(s string) string {
	// A mark beside other text may make that text a secret, so this goes on
	// until nothing is found. Each round leaves less besides marks.
	for {
		spans := r.known.find(s, nil)
		spans = findByPlace(s, spans)
		next, changed := replace(s, spans)
		if !changed {
			return s
		}
		s = next
	}
}

// span is a part of a text: the bytes from start to before end.
type span struct{ start, end int }

// replace puts a mark in the place of each span. Spans that overlap get one
// together, also with a mark that is there already.
func replace(s string, spans []span) (string, bool) {
	if len(spans) == 0 {
		return s, false
	}
	spans = merge(append(spans, marks(s)...))
	if !slices.ContainsFunc(spans, func(p span) bool { return s[p.start:p.end] != Mark }) {
		return s, false
	}
	var b strings.Builder
	at := 0
	for _, p := range spans {
		b.WriteString(s[at:p.start])
		b.WriteString(Mark)
		at = p.end
	}
	b.WriteString(s[at:])
	return b.String(), true
}

// marks returns where marks are.
func marks(s string) []span {
	var found []span
	for at := 0; ; {
		i := strings.Index(s[at:], Mark)
		if i < 0 {
			return found
		}
		at += i + len(Mark)
		found = append(found, span{at - len(Mark), at})
	}
}

// merge sorts spans and makes one of those that overlap.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	merged := spans[:1]
	for _, p := range spans[1:] {
		last := &merged[len(merged)-1]
		if p.start < last.end {
			last.end = max(last.end, p.end)
			continue
		}
		merged = append(merged, p)
	}
	return merged
}
