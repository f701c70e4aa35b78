package rows

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

// jobNames gives each row's job a name that is unique, also where case does not
// count: the one it would like to have, and where an earlier row has that, a
// digest of the whole row beside it. So an input that grows at its end changes
// no name.
func jobNames(rows []Row) []string {
	taken := map[string]bool{}
	names := make([]string, len(rows))
	for i, row := range rows {
		name := safeName(row.Name)
		for digest := row.Identity; name == "" || taken[strings.ToLower(name)]; digest = shortHash(digest) {
			name = withHash(safeName(row.Name), shortHash(digest))
		}
		taken[strings.ToLower(name)] = true
		names[i] = name
	}
	return names
}

func safeName(s string) string {
	s = strings.Trim(notInName.ReplaceAllString(s, "-"), ".-")
	if len(s) > maxName {
		return withHash(s, shortHash(s))
	}
	return s
}

// withHash appends a hash to a name, of which as much is left as fits.
func withHash(name, hash string) string {
	name = name[:min(len(name), maxName-len(hash)-1)]
	return strings.TrimPrefix(name+"-"+hash, "-")
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
