// Package redact makes text fit for logs, events, the record and reports: what
// is secret in it is replaced. It knows secrets by their values, where a caller
// has them, and otherwise by where they stand: in the user part of an URL, after
// a key such as TOKEN=, in an Authorization header; and it knows the shapes of
// widely used tokens.
package redact

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// Redactor replaces secrets in text. Its methods may be called concurrently.
type Redactor struct {
	known atomic.Pointer[known]

	mu           sync.Mutex
	given, added []string
}

// mostAdded is how many values are known that were added, the last ones: tokens that
// are given out for an hour each are many in the end.
const mostAdded = 1000

// New returns a redactor that knows the given values beside what every redactor
// knows. It finds a value as it is, each line of one that has several, and what
// base64, URL encoding and quoting make of them; of base64 each part of a line. Values shorter than 6 bytes
// are ignored: they would be found everywhere.
func New(secrets ...string) *Redactor {
	r := &Redactor{given: secrets}
	r.known.Store(newKnown(secrets))
	return r
}

// Add makes further values known, for all text from now on.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.added)
	for _, s := range secrets {
		if len(s) >= minSecret && !slices.Contains(r.given, s) && !slices.Contains(r.added, s) {
			r.added = append(r.added, s)
		}
	}
	if len(r.added) == before {
		return
	}
	r.added = r.added[max(len(r.added)-mostAdded, 0):]
	r.known.Store(newKnown(slices.Concat(r.given, r.added)))
}

// String returns a text with Mark in the place of each secret. Text without any
// is returned as it is, as is text that was redacted before.
func (r *Redactor) String(s string) string {
	// A mark beside other text may make that text a secret, so this goes on
	// until nothing is found. Each round leaves less besides marks.
	known := r.known.Load()
	for {
		spans := known.find(s, nil)
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
