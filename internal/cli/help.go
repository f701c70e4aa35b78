package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroups are the headings under which help texts list flags, and the flags
// below each, in the order in which a reader needs them. A command shows those
// that it has; what is in no group comes last.
var flagGroups = []struct {
	title string
	flags []string
}{
	{"What to build", []string{"images", "rows", "each", "each-data", "where", "select", "sample", "seed", "preset", "image", "run", "file", "set", "var", "rows-var", "base", "base-arg", "build-arg",
		"build-context", "target", "platform", "limit", "shard", "allow-outside"}},
	{"Images and outputs", []string{"tag", "push", "load", "output", "compression", "label", "annotation", "iidfile", "metadata-file",
		"force", "attest", "provenance", "sbom", "assemble"}},
	{"How steps run", []string{"secret", "ssh", "network", "add-host", "allow", "pull", "no-cache", "no-cache-filter", "auto-link",
		"cache-from", "cache-to", "shm-size", "ulimit", "resource", "cgroup-parent"}},
	{"The run", []string{"workers", "order", "pull-ahead", "batch-size", "post-build", "dry-run", "print", "list", "plan", "call", "check", "check-only", "check-first", "fail-on", "nodes", "yes", "resume", "fresh"}},
	{"Progress and results", []string{"progress", "quiet", "listen", "metrics-textfile", "output-dir", "format", "archived", "history", "refs"}},
	{"Failures", []string{"retries", "retries-step", "retry-delay", "registry-wait", "registry-pause", "timeout", "stall-timeout", "fail-fast", "max-failures",
		"recover", "recover-interval", "recover-lock"}},
	{"Builder", []string{"builder", "buildkitd", "buildkitd-config", "state-dir", "insecure-registry", "tlsdir", "tlscacert", "tlscert", "tlskey", "tlsservername"}},
	{"Space", []string{"cache-budget", "disk-path", "disk-high", "disk-low", "space-wait", "preflight-free", "job-size"}},
	{"Pruning", []string{"prune", "prune-by", "prune-pause", "prune-timeout", "prune-threshold", "keep-storage",
		"exclusive", "prune-foreign"}},
}

// helpWidth is the width of the narrowest terminal that is usual.
const helpWidth = 80

// newHelp is "stoker help COMMAND", which some people type for "stoker COMMAND --help".
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			for _, c := range cmd.Root().Commands() {
				names = append(names, c.Name())
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return err
			case len(rest) > 0:
				return unknownCommand(about, rest[0])
			}
			return about.Help()
		},
	}
}

// showHelp prints what a command does, how it is called, and its flags: examples
// first, since most readers look for one.
func showHelp(cmd *cobra.Command, _ []string) {
	fmt.Fprint(cmd.OutOrStdout(), helpText(cmd))
}

func helpText(cmd *cobra.Command) string {
	long := cmd.Long
	if long == "" {
		long = cmd.Short
	}
	summary, details, _ := strings.Cut(long, "\n\n")
	parts := []string{summary, "Usage:\n  " + strings.TrimSuffix(cmd.UseLine(), " [flags]")}
	if cmd.HasAvailableSubCommands() {
		parts[1] = "Usage:\n  " + cmd.CommandPath() + " COMMAND"
	}
	if cmd.HasExample() {
		parts = append(parts, "Examples:\n"+cmd.Example)
	}
	if details != "" {
		parts = append(parts, details)
	}
	parts = append(parts, commandList(cmd)...)
	parts = append(parts, groupedFlags(cmd.Flags())...)
	if cmd.HasAvailableSubCommands() {
		parts = append(parts, fmt.Sprintf(`"%s COMMAND --help" tells more about a command.`, cmd.CommandPath()))
	}
	return strings.Join(parts, "\n\n") + "\n"
}

func commandList(cmd *cobra.Command) []string {
	var lines []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			lines = append(lines, fmt.Sprintf("  %-*s  %s", cmd.NamePadding(), c.Name(), c.Short))
		}
	}
	if lines == nil {
		return nil
	}
	return []string{"Commands:\n" + strings.Join(lines, "\n")}
}

// groupedFlags lists flags under their headings.
func groupedFlags(flags *pflag.FlagSet) []string {
	var parts []string
	add := func(title string, group *pflag.FlagSet) {
		if group.HasAvailableFlags() {
			group.SortFlags = false
			parts = append(parts, title+":\n"+strings.TrimRight(group.FlagUsagesWrapped(helpWidth), "\n"))
		}
	}
	grouped := map[string]bool{}
	for _, g := range flagGroups {
		group := pflag.NewFlagSet(g.title, pflag.ContinueOnError)
		for _, name := range g.flags {
			grouped[name] = true
			if f := flags.Lookup(name); f != nil {
				group.AddFlag(forHelp(f))
			}
		}
		add(g.title, group)
	}
	rest := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.VisitAll(func(f *pflag.Flag) {
		if !grouped[f.Name] {
			rest.AddFlag(forHelp(f))
		}
	})
	title := "Flags"
	if len(parts) > 0 {
		title = "Other flags"
	}
	add(title, rest)
	return parts
}

// placeholders stand for the values of flags whose help text names none, by the
// kind of flag: pflag would name types of Go.
var placeholders = map[string]string{"string": "VALUE", "stringArray": "VALUE", "int": "N", "float64": "N", "duration": "DURATION"}

// forHelp returns a flag as the help text has it.
func forHelp(f *pflag.Flag) *pflag.Flag {
	kind, known := placeholders[f.Value.Type()]
	if !known {
		return f
	}
	shown := *f
	shown.Value = namedValue{f.Value, kind}
	if shown.DefValue == "0s" || shown.DefValue == "[]" {
		shown.DefValue = "" // the text says what that means
	}
	return &shown
}

// namedValue is a flag's value that goes by another name.
type namedValue struct {
	pflag.Value
	kind string
}

// Type implements pflag.Value.
func (v namedValue) Type() string { return v.kind }
