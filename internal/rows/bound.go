package rows

import "io"

// Bound is a reader that refuses to read on when a row is too long, for formats whose
// rows are no lines.
type Bound struct {
	r    io.Reader
	left int
}

// NewBound makes one.
func NewBound(r io.Reader) *Bound { return &Bound{r: r, left: MaxRow} }

// Next says that a row begins.
func (b *Bound) Next() { b.left = MaxRow }

// Read implements io.Reader.
func (b *Bound) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
