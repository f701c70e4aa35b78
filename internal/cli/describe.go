package cli

import "github.com/spf13/cobra"

// Command is the whole command line, for what describes it: man pages and
// completions.
func Command() *cobra.Command { return newRoot(Streams{}) }
