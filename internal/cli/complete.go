package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/presets"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/sweep"
)

// Flags whose values are files or directories; the shell knows these itself.
var (
	fileFlags = []string{"images", "rows", "each", "select", "file", "buildkitd", "buildkitd-config", "recover-lock", "refs", "tlscacert", "tlscert", "tlskey"}
	dirFlags  = []string{"output-dir", "state-dir", "disk-path", "tlsdir"}
)

// completions tell a shell the values that a flag may have, by its name.
var completions = map[string]cobra.CompletionFunc{
	"builder":  completeBuilder,
	"target":   completeStage,
	"run":      completeRun,
	"preset":   oneOfThese(presets.Names()...),
	"order":    oneOfThese(run.OrderShared, run.OrderGiven),
	"assemble": oneOfThese(assemble.Modes...),
	"prune":    oneOfThese(node.PruneAuto, node.PruneCompleted, node.PruneOff),
	"prune-by": oneOfThese(sweep.ByLineage, sweep.ByDescription),
	"progress": oneOfThese(show.Modes()...),
	"format":   oneOfThese(formatTable, formatJSON),
	"network":  oneOfThese("default", "host", "none"),
}

// addCompletions has a shell complete the values of a command's flags.
func addCompletions(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if complete, known := completions[f.Name]; known {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // each flag once
		}
	})
	for _, name := range fileFlags {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.MarkFlagFilename(name)
		}
	}
	for _, name := range dirFlags {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.MarkFlagDirname(name)
		}
	}
}

func oneOfThese[T ~string](values ...T) cobra.CompletionFunc {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// completePath completes the one PATH of build and plan.
func completePath(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func completeBuilder(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, err := builder.Names()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeStage names the stages of the Dockerfile that the flags so far name, or
// that of PATH. Which one a template names is not known.
func completeStage(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	path := cmd.Flag("file").Value.String()
	if path == "" && len(args) > 0 {
		path = filepath.Join(args[0], "Dockerfile")
	}
	dockerfile, err := os.ReadFile(cmp.Or(path, "Dockerfile"))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return plan.StageNames(dockerfile), cobra.ShellCompDirectiveNoFileComp
}

// completeRun names the directories that hold a run; all directories where none
// beside what was typed does.
func completeRun(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, _ := filepath.Glob(globEscaped(typed) + "*/" + ledger.RunFile) // the pattern is right
	var dirs []string
	for _, f := range found {
		dirs = append(dirs, filepath.Dir(f))
	}
	if len(dirs) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return dirs, cobra.ShellCompDirectiveNoFileComp
}

// globEscaped makes a text a pattern that matches only itself.
func globEscaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}
