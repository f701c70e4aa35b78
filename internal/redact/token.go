package redact

import "strings"

// shape is what a widely used kind of token looks like.
type shape struct {
	prefix      string
	anchor      int // the index of the byte of prefix at which it is looked for
	least, most int // how many bytes follow
	body        func(c byte) bool
}

// The most bytes of a token that no shape says otherwise of.
const maxToken = 1 << 10

var shapes = []shape{
	{"ghp_", 3, 20, maxToken, isWord},
	{"gho_", 3, 20, maxToken, isWord},
	{"ghu_", 3, 20, maxToken, isWord},
	{"ghs_", 3, 20, maxToken, isWord},
	{"ghr_", 3, 20, maxToken, isWord},
	{"github_pat_", 10, 20, maxToken, isWord},
	{"dckr_pat_", 8, 20, maxToken, isDashed},
	{"glpat-", 5, 16, maxToken, isKey},
	{"xoxb-", 4, 10, maxToken, isDashed},
	{"xoxa-", 4, 10, maxToken, isDashed},
	{"xoxp-", 4, 10, maxToken, isDashed},
	{"xoxr-", 4, 10, maxToken, isDashed},
	{"xoxs-", 4, 10, maxToken, isDashed},
	{"AKIA", 1, 16, 16, func(c byte) bool { return isUpper(c) || isDigit(c) }},
}

func isDashed(c byte) bool { return isWord(c) || c == '-' }

// tokenAt returns the token with its anchor at i.
func tokenAt(s string, i int) (span, bool) {
	if s[i] == 'J' {
		return jwt(s, i)
	}
	for _, t := range shapes {
		start := i - t.anchor
		if t.prefix[t.anchor] != s[i] || start < 0 || !strings.HasPrefix(s[start:], t.prefix) || !begins(s, start) {
			continue
		}
		body := start + len(t.prefix)
		end := run(s, body, t.most, t.body)
		cutOff := end < len(s) && isLetterOrDigit(s[end]) // longer than such a token is
		if end-body >= t.least && (t.most == maxToken || !cutOff) {
			return span{start, end}, true
		}
	}
	return span{}, false
}

// jwt returns the JSON Web Token with its anchor, the J of eyJ, at i: a header
// and further parts with dots between them.
func jwt(s string, i int) (span, bool) {
	start := i - 2
	if start < 0 || s[start:i] != "ey" || !begins(s, start) {
		return span{}, false
	}
	end := run(s, start, maxHeader, isDashed)
	if end-start < 10 || end == len(s) || s[end] != '.' {
		return span{}, false
	}
	payload := end + 1
	end = run(s, payload, len(s), isDashed)
	if end-payload < 4 {
		return span{}, false
	}
	for end < len(s) && s[end] == '.' {
		end = run(s, end+1, len(s), isDashed)
	}
	return span{start, end}, true
}

// The longest first part of a JSON Web Token.
const maxHeader = 2 << 10

// begins tells whether a word may begin at i.
func begins(s string, i int) bool { return i == 0 || !isLetterOrDigit(s[i-1]) }

func isLetterOrDigit(c byte) bool { return isLetter(c) || isDigit(c) }

// run returns the end of the bytes from i that are of a kind, most of them at
// most.
func run(s string, i, most int, kind func(byte) bool) int {
	start := i
	for i < len(s) && i-start < most && kind(s[i]) {
		i++
	}
	return i
}
