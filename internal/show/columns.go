package show

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// columns lines up cells, each but the last of a line ended by a tab. So nothing
// is padded at the end of a line.
func columns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// Pairs writes names and values in two columns.
func Pairs(w io.Writer, rows [][2]string) error {
	t := columns(w)
	for _, row := range rows {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	return t.Flush()
}
