package redact

import "encoding/base64"

const (
	// pieceSize is how much of a value's base64 form is enough to know it: 6 bytes of
	// the value, as with a value itself.
	pieceSize = 8
	// longestInPieces is how much of a value is known by pieces, in bytes: there is a
	// piece for each byte, three times.
	longestInPieces = 64 << 10
)

// base64Pieces are the parts of pieceSize characters of values' base64 forms. Tools break
// base64 into lines, at any place of a value that has something before it, and a log
// shows the lines one by one.
type base64Pieces map[uint64]struct{}

// encoded returns the parts of a value's base64 forms that are the same whatever comes
// before and after it.
func encoded(value string) []string {
	var texts []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := enc.EncodeToString(append(make([]byte, before), value...))
			texts = append(texts, text[(before*8+5)/6:(before+len(value))*8/6])
		}
	}
	return texts
}

// add adds all parts of a text, but for those of a mark: they could never be removed.
func (p base64Pieces) add(text string) {
	for i := 0; i+pieceSize <= len(text); i++ {
		p[piece(text, i)] = struct{}{}
	}
	for i := 0; i+pieceSize <= len(Mark); i++ {
		delete(p, piece(Mark, i))
	}
}

// at tells whether one of the pieces stands at an offset.
func (p base64Pieces) at(s string, i int) bool {
	if i+pieceSize > len(s) {
		return false
	}
	_, is := p[piece(s, i)]
	return is
}

// piece is the eight bytes at an offset.
func piece(s string, i int) uint64 { return uint64(head(s, i)) | uint64(head(s, i+4))<<32 }
