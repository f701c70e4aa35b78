package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/util/suggest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// habits are flags by which other programs say what one of ours does, with what
// to give here instead. Only a command that has that flag says so.
var habits = map[string]string{
	"j": "--workers", "jobs": "--workers", "parallel": "--workers", "parallelism": "--workers",
	"max-parallelism": "--workers", "concurrency": "--workers", "threads": "--workers",
	"list": "--images", "image-list": "--images", "i": "--images",
	"json": "--format json", "json-lines": "--rows", "jsonl": "--rows", "dataset": "--rows", "input": "--rows", "csv": "--rows", "parquet": "--rows",
	"glob": "--each", "pattern": "--each", "filter": "--where", "ids": "--select", "only": "--select",
	"dockerfile": "--file", "name": "--tag", "tags": "--tag", "image-name": "--tag",
	"args": "--build-arg",
	"out":  "--output-dir", "output-directory": "--output-dir", "out-dir": "--output-dir", "dest": "--output",
	"continue": "--resume", "restart": "--fresh", "overwrite": "--force", "rebuild": "--force",
	"dry": "--dry-run", "n": "--dry-run", "retry": "--retries", "attempts": "--retries",
	"verbose": "--progress plain", "v": "--progress plain", "debug": "--progress plain",
	"no-prune": "--prune off", "cache-size": "--cache-budget", "max-cache": "--cache-budget",
	"insecure": "--insecure-registry", "buildkit-host": "--builder", "addr": "--builder",
}

// attributes are flags of docker buildx build by the attributes of targets that say the same.
var attributes = map[string]string{
	"t": "tags", "tag": "tags", "build-arg": "args.NAME", "label": "labels.NAME", "build-context": "contexts.NAME",
	"o": "output", "output": "output", "platform": "platform", "target": "target", "secret": "secret", "ssh": "ssh",
	"cache-from": "cache-from", "cache-to": "cache-to", "annotation": "annotations", "no-cache-filter": "no-cache-filter",
	"network": "network", "add-host": "extra-hosts", "shm-size": "shm-size", "ulimit": "ulimits", "attest": "attest",
}

// unknownFlag says that a command has no such flag, and which one was probably
// meant.
func unknownFlag(cmd *cobra.Command, name string) string {
	typed := "--" + name
	if len(name) == 1 {
		typed = "-" + name
	}
	text := "unknown flag " + typed
	if name == "check-only" && cmd.Name() == "build" {
		return text + "; \"stoker check\" takes the same flags, and builds nothing"
	}
	if attribute := attributes[name]; attribute != "" && cmd.Name() == "bake" {
		return fmt.Sprintf("%s; did you mean --set '*.%s=...'? Targets have it as an attribute", text, attribute)
	}
	if meant := flagMeant(cmd, name); meant != "" {
		text += "; did you mean " + meant + "?"
	}
	return text
}

// flagMeant returns the flag that a name may stand for; empty where none is near.
func flagMeant(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if meant := habits[name]; meant != "" && slices.Contains(names, firstFlag(meant)) {
		return meant
	}
	if near := nearest(name, names); near != "" {
		return "--" + near
	}
	return ""
}

// firstFlag returns the name of the flag that a text begins with.
func firstFlag(text string) string {
	flag, _, _ := strings.Cut(strings.TrimPrefix(text, "--"), " ")
	return flag
}

// Shorter words are near to too many others.
const leastWord = 3

// nearest returns the only option that a word begins, or the one that it is a slip of;
// empty for none.
func nearest(word string, options []string) string {
	if len(word) < leastWord {
		return ""
	}
	begun := slices.DeleteFunc(slices.Clone(options), func(o string) bool { return !strings.HasPrefix(o, word) })
	if len(begun) == 1 {
		return begun[0]
	}
	near, _ := suggest.Search(word, options, true)
	return near
}

// noCommand is for the program itself, which takes only the name of a command.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &flagError{unknownCommand(root, args[0])}
}

// unknownCommand says that there is no such command, and which one was probably
// meant.
func unknownCommand(root *cobra.Command, word string) error {
	text := fmt.Sprintf("unknown command %q", word)
	if meant := commandMeant(root, word); meant != "" {
		text += fmt.Sprintf("; did you mean %q?", meant)
	}
	return errors.New(text)
}

// commandMeant returns the command that a word may stand for; empty where none is
// near.
func commandMeant(root *cobra.Command, word string) string {
	var names []string
	for _, cmd := range root.Commands() {
		if slices.Contains(cmd.SuggestFor, word) {
			return cmd.Name()
		}
		names = append(names, cmd.Name())
	}
	return nearest(word, names)
}
