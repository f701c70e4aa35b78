// Package bytesize reads and writes numbers of bytes, in one way for the whole
// program: what was typed as 300MB is shown as 300MB.
package bytesize

import (
	"fmt"
	"strings"

	"github.com/docker/go-units"
)

// gib is a GiB, in bytes.
const gib = 1 << 30

// Text writes a size for people, in decimal units: 1.2GB. A whole number of GiB was
// typed so, since nothing is measured that is one, and is shown so. There is no size
// below nothing; what is over a limit is for the caller to say.
func Text(bytes int64) string {
	bytes = max(bytes, 0)
	if bytes%gib == 0 && bytes%1e9 != 0 {
		return fmt.Sprintf("%dGiB", bytes/gib)
	}
	return units.HumanSize(float64(bytes))
}

// Sum adds sizes up, of which those that are nil are not known; nil where none is.
func Sum(sizes ...*int64) (sum *int64) {
	for _, size := range sizes {
		switch {
		case size != nil && sum == nil:
			sum = new(*size)
		case size != nil:
			*sum += *size
		}
	}
	return sum
}

// Parse reads a size as Text writes it: 60GB, 60G and 60g are 60,000,000,000 bytes.
// Units with an i are powers of 1024: 60GiB is 60 times 2 to the power of 30.
func Parse(text string) (int64, error) {
	parse := units.FromHumanSize
	if strings.ContainsAny(text, "iI") {
		parse = units.RAMInBytes
	}
	n, err := parse(text)
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), "-"):
		return 0, fmt.Errorf("%q is negative", text)
	case err != nil, n < 0:
		return 0, fmt.Errorf("%q is not a size such as 500MB, 60GB or 60GiB", text)
	}
	return n, nil
}
