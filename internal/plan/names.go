package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// Job names are directory names on every file system: no separators, no
// leading dot or dash, not longer than this.
const maxName = 120

var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// jobNames gives each reference a name that is unique, also where case does
// not count: its last path element, and where several share that, a digest of
// the whole reference beside it. A name depends on no other reference's place
// in the list.
func jobNames(fields []Fields) []string {
	count := map[string]int{}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = safeName(f.Name)
		count[strings.ToLower(names[i])]++
	}
	for i, f := range fields {
		if count[strings.ToLower(names[i])] > 1 || names[i] == "" {
			names[i] = strings.TrimPrefix(names[i]+"-"+shortHash(f.Ref), "-")
		}
	}
	return names
}

func safeName(s string) string {
	s = strings.Trim(notInName.ReplaceAllString(s, "-"), ".-")
	if len(s) > maxName {
		s = s[:maxName-13] + "-" + shortHash(s)
	}
	return s
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
