// Package cli is the command line. Each command's file turns its flags into
// options, calls one function and prints what came of it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/visible"
)

// Exit codes.
const (
	ExitOK          = 0   // all built or skipped
	ExitFailed      = 1   // some job failed, or the run could not go on
	ExitUsage       = 2   // wrong usage or unreadable input; nothing was built
	ExitNoBuilder   = 3   // no builder could be reached, or it has too little space
	ExitInterrupted = 130 // a person or a supervisor asked to stop
)

// Streams are a command's standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Version is Stoker's own, for the record.
	Version string
	// Commit is what it was built from, for where Go did not note that; with
	// "-dirty" at its end where there were changes besides.
	Commit string
	// Program is how Stoker was called; "stoker" when empty.
	Program string

	args []string // of the command line
}

// Main runs the command line and returns the exit code. The cause with which
// ctx is cancelled should be run.ErrInterrupted when a person asked to stop.
func Main(ctx context.Context, version string, args []string, streams Streams) int {
	streams = streams.guarded()
	streams.Version, streams.args = versionsOf(version, buildInfo()).Version, args
	root := newRoot(streams)
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(ctx, err)
	quiet := errors.As(err, new(*exitError)) || errors.As(err, new(*saidError))
	if err != nil && !quiet && !errors.Is(err, syscall.EPIPE) {
		text := fmt.Sprintf("stoker: %s\n", visible.Lines(err.Error()))
		if errors.As(err, new(*flagError)) {
			text += fmt.Sprintf("See \"%s --help\".\n", cmd.CommandPath())
		}
		say(streams.Err, text)
	}
	return code
}

// say writes a last word, but does not wait for ever for a reader that has stopped to
// read.
func say(w io.Writer, text string) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = io.WriteString(w, text)
	}()
	select {
	case <-said:
	case <-time.After(show.Patience):
	}
}

// exitError ends the command with a code after everything was said.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// saidError is an error that was said already.
type saidError struct{ error }

func (e *saidError) Unwrap() error { return e.error }

// flagError is a mistake in how the command was called.
type flagError struct{ error }

func (e *flagError) Unwrap() error { return e.error }

// runError is a failure after the input was found good.
type runError struct{ error }

func (e *runError) Unwrap() error { return e.error }

func exitCode(ctx context.Context, err error) int {
	var exit *exitError
	var unreachable *builder.UnreachableError
	var preflight *run.PreflightError
	var failed *runError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(context.Cause(ctx), run.ErrInterrupted):
		return ExitInterrupted
	case errors.As(err, &unreachable), errors.As(err, &preflight):
		return ExitNoBuilder
	case errors.As(err, &failed):
		return ExitFailed
	}
	// What is left are mistakes in flags, arguments and input files.
	return ExitUsage
}

func newRoot(streams Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "stoker",
		Short: "Build hundreds of images through BuildKit, and keep the cache small",
		Long: `Stoker builds hundreds or thousands of container images through BuildKit and
removes, in the background, exactly the build cache that no later image needs.`,
		Example: `  stoker build --images bases.txt -t 'registry.example/agent:{{.Name}}' \
    --push ./agent
  stoker status`,
		Version:       streams.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			quietLibraries()
			if err := flagsFromEnv(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			if err := checkMarks(cmd.Flags()); err != nil {
				return err
			}
			return flagsFromPreset(cmd.Flags())
		},
	}
	root.SetVersionTemplate("stoker {{.Version}}\n")
	root.SetFlagErrorFunc(flagMistake)
	root.SetHelpFunc(showHelp)
	root.SetHelpCommand(newHelp())
	root.AddCommand(newBuild(streams), newBake(streams), newCheck(streams), newPlan(streams), newDu(streams), newPrune(streams), newStatus(streams), newReport(streams), newExplain(streams), newPresets(streams), newVersion(streams))
	for _, cmd := range root.Commands() {
		addCompletions(cmd)
	}
	return root
}

// quietLibraries keeps what buildx and its kin log off the terminal: it would
// tear the view, and what matters comes back as errors.
func quietLibraries() {
	logrus.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
}
