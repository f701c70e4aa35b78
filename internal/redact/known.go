package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A value shorter than this is not looked for.
const minSecret = 6

// known finds values that are known to be secret.
type known struct {
	// byHead has the forms of the values by their first four bytes, the
	// longest first.
	byHead map[uint32][]string
	// maybe has a bit for each hash of such a head, so that text without any
	// is passed over quickly.
	maybe [1 << 16 / 64]uint64
	// longest is the length of the longest form, and spread that of the longest
	// which goes over several lines; 0 for none.
	longest, spread int
	// base64 has what all of the values come to in base64.
	base64 base64Pieces
}

func newKnown(secrets []string) *known {
	k := &known{byHead: map[uint32][]string{}, base64: base64Pieces{}}
	for _, secret := range secrets {
		k.addSecret(strings.TrimSpace(secret))
	}
	for piece := range k.base64 {
		k.note(uint32(piece))
	}
	for _, forms := range k.byHead {
		slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	}
	return k
}

// addSecret adds a value in all its forms, and its lines, since a log shows them
// one by one.
func (k *known) addSecret(secret string) {
	if len(secret) < minSecret {
		return
	}
	covered := true // each line is looked for, so that all of it need not be
	for line := range strings.FieldsFuncSeq(secret, isLineEnd) {
		line = strings.TrimSpace(line)
		if len(line) < minSecret {
			covered = covered && line == ""
			continue
		}
		for _, form := range forms(line) {
			k.add(form)
		}
	}
	for _, form := range forms(secret) {
		if !covered || !strings.ContainsFunc(form, isLineEnd) {
			k.add(form)
		}
	}
	for _, text := range encoded(secret[:min(len(secret), longestInPieces)]) {
		if len(text) < pieceSize {
			k.add(text)
		}
		k.base64.add(text)
	}
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }

// forms returns a value as it is and as it may be written.
func forms(value string) []string {
	quoted, _ := json.Marshal(value)
	all := []string{
		value,
		inner(strconv.Quote(value)),
		inner(string(quoted)),
		url.QueryEscape(value),
		url.PathEscape(value),
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, enc.EncodeToString([]byte(value)))
	}
	return all
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

func (k *known) add(form string) {
	if strings.Contains(Mark, form) {
		return // it could never be removed
	}
	h := head(form, 0)
	if slices.Contains(k.byHead[h], form) {
		return
	}
	k.byHead[h] = append(k.byHead[h], form)
	k.note(h)
	k.longest = max(k.longest, len(form))
	if strings.ContainsFunc(form, isLineEnd) {
		k.spread = max(k.spread, len(form))
	}
}

// note remembers that what begins so may be a value's.
func (k *known) note(head uint32) {
	bit := hash(head)
	k.maybe[bit/64] |= 1 << (bit % 64)
}

// head is the four bytes at an offset.
func head(s string, i int) uint32 {
	_ = s[i+3]
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

func hash(head uint32) uint32 { return head * 2654435761 >> 16 }

// find appends where known values are.
func (k *known) find(s string, spans []span) []span {
	if k.longest == 0 {
		return spans
	}
	for i := 0; i+minSecret <= len(s); i++ {
		h := head(s, i)
		if bit := hash(h); k.maybe[bit/64]&(1<<(bit%64)) == 0 {
			continue
		}
		if k.base64.at(s, i) {
			spans = append(spans, span{i, i + pieceSize})
		}
		for _, form := range k.byHead[h] {
			if strings.HasPrefix(s[i:], form) {
				spans = append(spans, span{i, i + len(form)})
				break
			}
		}
	}
	return spans
}
