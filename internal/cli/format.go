package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// The formats of the commands that show something.
const (
	formatTable = "table"
	formatJSON  = "json"
)

func addFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", formatTable, "how to print: table or json")
}

func checkFormat(format string) error {
	if format != formatTable && format != formatJSON {
		return &flagError{fmt.Errorf("--format %q: use table or json", format)}
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
