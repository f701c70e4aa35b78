package rows

import (
	"crypto/sha256"
	"fmt"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// Collect reads all rows of a file. One that is there again is left out and mentioned
// in the input's notes. What cannot be read, or holds no row at all, is a
// *mistakes.InputError that lists every bad row.
func Collect(name string, r Reader) (Input, error) {
	in := Input{Name: name}
	found := mistakes.Findings{Hint: r.Hint()}
	seen := map[[sha256.Size]byte]mistakes.Place{}
	number := 0
	for row, err := range r.Rows() {
		number++
		if err != nil {
			found.Add(row.Place, err)
			continue
		}
		row.Identity = canonical(row.Columns)
		sum := sha256.Sum256([]byte(row.Identity))
		if first, again := seen[sum]; again {
			in.Notes = append(in.Notes, fmt.Sprintf("%s %s is the same as %s; it is built once", name, row.Place, first))
			continue
		}
		seen[sum] = row.Place
		row.Name = wish(row.Columns, number)
		in.Rows = append(in.Rows, row)
	}
	if err := found.Err(name); err != nil {
		return Input{}, err
	}
	if len(in.Rows) == 0 {
		return Input{}, &mistakes.InputError{What: name, Problems: []string{"no rows in it"}, Hint: r.Hint()}
	}
	in.Complete()
	return in, nil
}
