// Command stoker builds hundreds of container images through BuildKit and
// sweeps the build cache that none of them needs any more. This package holds
// only the version, the signals and the exit code.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/stoker-build/stoker/internal/cli"
	"github.com/stoker-build/stoker/internal/process"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/show"
)

// Set by the linker: version in releases, commit where Go itself notes none.
var (
	version = "dev"
	commit  string
)

// The live view hides the cursor; leaving at once must bring it back, and clear what
// the view has drawn below it.
const showCursor = "\x1b[?25h\x1b[J\n"

// sameSignal is within what time a signal is sent twice without anybody meaning that: timeout of
// coreutils sends it to its child and to its own group, in which that is.
const sameSignal = 300 * time.Millisecond

func main() { os.Exit(stoker()) }

func stoker() int {
	defer show.GiveBack() // a panic passes by here
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A reader that goes away, as with "| head", ends no run: writing to it fails.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		<-signals
		cancel(run.ErrInterrupted)
		for first := time.Now(); time.Since(first) < sameSignal; {
			<-signals
		}
		if term.IsTerminal(int(os.Stderr.Fd())) {
			fmt.Fprint(os.Stderr, showCursor)
		}
		show.GiveBack()
		process.WakeAll()
		os.Exit(cli.ExitInterrupted)
	}()
	return cli.Main(ctx, version, os.Args[1:], cli.Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Program: os.Args[0], Commit: commit,
	})
}
