package redact

import (
	"slices"
	"strings"
	"unicode"
)

// secretWords are the words that make a key look secret; a word may be written
// as several, such as API_KEY.
var secretWords = []string{
	"token", "secret", "password", "passwd", "passphrase", "credential", "credentials", "auth",
	"apikey", "accesskey", "privatekey",
}

// LooksSecret tells whether a key, such as the name of a build argument, is one
// that secrets are given under. It goes by whole words: GITHUB_TOKEN, authToken
// and api-key look secret, and AUTHOR and max_tokens do not.
func LooksSecret(key string) bool {
	lower := strings.ToLower(key)
	// PGPASSWORD and authtoken have no border before the word.
	return hasWord(key, secretWords) || strings.HasSuffix(lower, "password") || strings.HasSuffix(lower, "token")
}

// signatureWords make a query parameter secret besides: whoever has a signed
// URL may use it.
var signatureWords = []string{"sig", "signature"}

func hasWord(key string, wanted []string) bool {
	previous := ""
	for len(key) > 0 {
		var word string
		word, key = cutWord(key)
		word = strings.ToLower(word)
		if slices.Contains(wanted, word) || slices.Contains(wanted, previous+word) {
			return true
		}
		previous = word
	}
	return false
}

// cutWord cuts a key after its first word. A word ends before what is no
// letter, and where a capital begins the next one: authToken, APIKey.
func cutWord(key string) (word, rest string) {
	start := 0
	for start < len(key) && !isLetter(key[start]) {
		start++
	}
	end := start
	for end < len(key) && isLetter(key[end]) && (end == start || !startsWord(key, end)) {
		end++
	}
	return key[start:end], key[end:]
}

// startsWord tells whether the letter at i begins a word inside of letters.
func startsWord(key string, i int) bool {
	if !isUpper(key[i]) {
		return false
	}
	nextIsLower := i+1 < len(key) && isLetter(key[i+1]) && !isUpper(key[i+1])
	return !isUpper(key[i-1]) || nextIsLower
}

func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }
func isLetter(c byte) bool { return isUpper(c) || 'a' <= c && c <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

func isWord(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }

// isKey tells whether a byte may be part of a key.
func isKey(c byte) bool { return isWord(c) || c == '-' || c == '.' }

// isSpace knows the spaces of a log. Line ends are among them, so that nothing
// that is found by its place reaches over one.
func isSpace(c byte) bool { return c <= unicode.MaxASCII && unicode.IsSpace(rune(c)) }

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }
