package redact

import "strings"

// anchor has the bytes at which findByPlace looks around.
var anchor = [256]bool{'=': true, ':': true, '_': true, '-': true, 'K': true, 'J': true}

// findByPlace appends what is secret by where it stands or what it looks like.
// Nothing that it finds reaches over a line end.
func findByPlace(s string, spans []span) []span {
	// Where the last value and the last token end: what begins within them ends
	// there too, and to look at it again and again would take time without end.
	valueEnd, tokenEnd := 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !anchor[c] {
			continue
		}
		p, found := span{}, false
		switch {
		case c == ':':
			p, found = afterColon(s, i)
		case c == '=' && i >= valueEnd:
			if p, found = afterEquals(s, i); found {
				valueEnd = p.end
			}
		case c != '=' && i >= tokenEnd:
			if p, found = tokenAt(s, i); found {
				tokenEnd = p.end
			}
		}
		if found && p.start < p.end && !templateAt(s, p.start) {
			spans = append(spans, p)
		}
	}
	return spans
}

// afterEquals returns the value of KEY=VALUE with its equals sign at i.
func afterEquals(s string, i int) (span, bool) {
	key := keyBefore(s, i)
	if key == "" || i+1 == len(s) || s[i+1] == '=' { // == compares, or pins a version
		return span{}, false
	}
	if isAuthorization(key) {
		return credentials(s, i+1)
	}
	before := i - len(key) - 1
	inQuery := before >= 0 && (s[before] == '?' || s[before] == '&')
	if !LooksSecret(key) && !(inQuery && hasWord(key, signatureWords)) {
		return span{}, false
	}
	if inside, ok := quoted(s, i+1); ok {
		return inside, true
	}
	return span{i + 1, endOfValue(s, i+1, inQuery)}, true
}

// keyBefore returns the key that ends before i.
func keyBefore(s string, i int) string {
	start := i
	for start > 0 && isKey(s[start-1]) {
		start--
	}
	return s[start:i]
}

// endOfValue returns where a value ends that no quotes enclose.
func endOfValue(s string, i int, inQuery bool) int {
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case isSpace(c), isQuote(c):
			return i
		case c == '\\' && i+1 < len(s) && isQuote(s[i+1]):
			return i
		case inQuery && (c == '&' || c == '#'):
			return i
		case (c == '&' || c == ',') && pairAt(s, i+1):
			return i
		}
	}
	return i
}

// The longest key that is looked for behind a value.
const maxNextKey = 64

// pairAt tells whether another KEY=VALUE begins at i.
func pairAt(s string, i int) bool {
	start := i
	for i < len(s) && isKey(s[i]) && i < start+maxNextKey {
		i++
	}
	return start < i && i < len(s) && s[i] == '='
}

// quoted returns what the quotes enclose that open at i. Quotes may be escaped
// themselves, as in JSON within JSON. Without closing quotes, the line's end
// closes them.
func quoted(s string, i int) (span, bool) {
	escaped := i < len(s) && s[i] == '\\'
	if escaped {
		i++
	}
	if i >= len(s) || !isQuote(s[i]) {
		return span{}, false
	}
	quote, start := s[i], i+1
	for i = start; i < len(s) && s[i] != '\n' && s[i] != '\r'; i++ {
		switch {
		case s[i] == quote:
			return span{start, i}, true
		case s[i] != '\\' || i+1 == len(s):
		case escaped && s[i+1] == quote:
			return span{start, i}, true
		case !escaped && quote != '\'' && s[i+1] != '\n' && s[i+1] != '\r':
			i++ // what it escapes closes nothing
		}
	}
	return span{start, i}, true
}

// afterColon returns what is secret after the colon at i: the user part of an
// URL, a header's credentials or the value of a JSON object's key.
func afterColon(s string, i int) (span, bool) {
	if strings.HasPrefix(s[i:], "://") {
		return userinfo(s, i)
	}
	end, inQuotes := i, false
	if end > 0 && isQuote(s[end-1]) {
		end, inQuotes = end-1, true
		if end > 0 && s[end-1] == '\\' {
			end--
		}
	}
	key := keyBefore(s, end)
	switch {
	case isAuthorization(key):
		return credentials(s, i+1)
	case inQuotes && LooksSecret(key):
		return quoted(s, skipBlanks(s, i+1))
	}
	return span{}, false
}

// userinfo returns what is before the @ of an URL with its colon at i. The user
// of SSH without a password is no secret, and what comes before the @ of a
// digest is an image's name.
func userinfo(s string, i int) (span, bool) {
	start := i + len("://")
	at := -1
	for end := start; end < len(s); end++ {
		c := s[end]
		if c == '/' || c == '?' || c == '#' || c == '\\' || isSpace(c) || isQuote(c) {
			break
		}
		if c == '@' {
			at = end
		}
	}
	if at < 0 || strings.HasPrefix(s[at:], "@sha256:") || strings.HasPrefix(s[at:], "@sha512:") {
		return span{}, false
	}
	if strings.HasSuffix(s[:i], "ssh") && !strings.Contains(s[start:at], ":") {
		return span{}, false
	}
	return span{start, at}, true
}

func isAuthorization(key string) bool {
	const name = "authorization"
	return len(key) >= len(name) && strings.EqualFold(key[len(key)-len(name):], name)
}

// credentials returns what follows the scheme of an Authorization header whose
// value begins at i.
func credentials(s string, i int) (span, bool) {
	for i < len(s) && (isBlank(s[i]) || isQuote(s[i]) || s[i] == '[' || s[i] == '\\') {
		i++
	}
	for _, scheme := range []string{"bearer", "basic", "token"} {
		if len(s)-i <= len(scheme) || !strings.EqualFold(s[i:i+len(scheme)], scheme) || !isBlank(s[i+len(scheme)]) {
			continue
		}
		start := skipBlanks(s, i+len(scheme))
		return span{start, endOfCredentials(s, start)}, true
	}
	return span{}, false
}

// endOfCredentials leaves out a bracket behind them that is not a mark's: Go
// prints headers in brackets.
func endOfCredentials(s string, i int) int {
	start := i
	for i < len(s) && !isSpace(s[i]) && !isQuote(s[i]) && s[i] != ',' && s[i] != '\\' {
		i++
	}
	for strings.HasSuffix(s[start:i], "]") && !strings.HasSuffix(s[start:i], Mark) {
		i--
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func skipBlanks(s string, i int) int {
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return i
}
