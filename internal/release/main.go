// Command release writes what a release's archives have beside the program: man
// pages and completions for shells. The tests of this package check the rest of
// what releases are made of.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/stoker-build/stoker/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: release DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// write makes man/ and completions/ below dir anew.
func write(dir string) error {
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := errors.Join(os.RemoveAll(d), os.MkdirAll(d, 0o755)); err != nil {
			return err
		}
	}
	root, err := anyonesCommand()
	if err != nil {
		return err
	}
	// Each shell looks for completions under a name of its own.
	return errors.Join(
		doc.GenManTree(root, &doc.GenManHeader{Source: "Stoker", Manual: "Stoker"}, man),
		root.GenBashCompletionFileV2(filepath.Join(completions, "stoker.bash"), true),
		root.GenZshCompletionFile(filepath.Join(completions, "_stoker")),
		root.GenFishCompletionFile(filepath.Join(completions, "stoker.fish"), true))
}

// anyonesCommand is the command line without what is of this machine and its
// user: defaults that are shown would be theirs.
func anyonesCommand() (*cobra.Command, error) {
	err := errors.Join(os.Setenv("HOME", "~"), os.Unsetenv("XDG_STATE_HOME"), os.Unsetenv("DOCKER_DEFAULT_PLATFORM"))
	if err != nil {
		return nil, err
	}
	root := cli.Command()
	root.DisableAutoGenTag = true // the date would make each build another
	return root, nil
}
