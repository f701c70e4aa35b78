package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/live"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/visible"
)

func newStatus(streams Streams) *cobra.Command {
	var format, listen string
	cmd := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Show how a run stands, from another terminal",
		Long: `Show how the run in an output directory stands: whether it runs, what is done,
what runs now, what waits, and what failed for which reason.

DIR is the run's --output-dir, by default stoker-out. The run is not disturbed:
only its files are read. A finished, stopped or archived run is shown as well.

"watch stoker status" shows it again and again. With --listen, a page in the
browser follows the run until you press Ctrl-C, also one that has ended and is
gone on with.

--format json writes an object; what is not known is null or left out:
  dir, host, pid           where the run is
  state, reason            running, finished, stopped, killed or unknown; why
  started_at, finished_at  when; elapsed_seconds: how long
  nodes, lost_nodes        what builds; those of several that do not answer
  total, built, skipped, failed, unfinished
                           jobs, those that an earlier run built included
  kept                     how many of these an earlier run had finished
  images_per_hour          of this run
  left_seconds             about how long it will still take
  running                  job, node (of several), attempt, doing and seconds
                           of each
  waiting_for_space        job, need and seconds of the next job
  reclaimed_bytes          what the sweeps removed
  pulled_bytes             what builders told that they pulled, compressed; null
                           where that is not known
  failures                 those of one cause together: reason, jobs, and the
                           log_path and failure of the first of them
  warnings                 the last ones
  notes                    what is wrong with the record
  resume_command           what goes on with it

Exit codes: 0 a run was found, however it stands; 2 there is none.`,
		Example: `  stoker status
  stoker status --format json stoker-out
  stoker status --listen 127.0.0.1:8080 stoker-out`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &flagError{fmt.Errorf("one output directory at most, got %s", strings.Join(args, " "))}
			}
			return nil
		},
		ValidArgsFunction: completeRun,
		SuggestFor:        []string{"ps", "top", "ls", "list", "show", "progress"},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := defaultOutputDir
			if len(args) > 0 {
				dir = cmp.Or(args[0], dir)
			}
			if listen == "" {
				return runStatus(dir, format, streams)
			}
			if cmd.Flags().Changed("format") {
				return &flagError{errors.New("--listen serves a page, and --format prints: give one of them")}
			}
			return serveStatus(cmd.Context(), dir, listen, streams)
		},
	}
	addFormat(cmd, &format)
	addListen(cmd.Flags(), &listen)
	return cmd
}

func runStatus(dir, format string, streams Streams) error {
	if err := checkFormat(format); err != nil {
		return err
	}
	status, err := statusIn(dir)
	if err != nil {
		return err
	}
	if format == formatJSON {
		return writeJSON(streams.Out, status)
	}
	width := show.Width(streams.Out)
	_, err = io.WriteString(streams.Out, status.Text(width, width > 0 && show.InColor(os.Getenv)))
	return err
}

func statusIn(dir string) (show.Status, error) {
	record, err := ledger.Look(dir)
	if err != nil {
		return show.Status{}, withoutRun(err)
	}
	events, err := ledger.OpenEvents(dir)
	if err != nil {
		return show.Status{}, err
	}
	defer events.Close()
	return show.StatusOf(record, events, time.Now())
}

// serveStatus serves the page of the run in a directory until ctx is done.
func serveStatus(ctx context.Context, dir, address string, streams Streams) error {
	follower, err := live.Open(dir)
	if err != nil {
		return withoutRun(err)
	}
	server, err := live.Serve(address, follower.Run())
	if err != nil {
		return &flagError{fmt.Errorf("--listen %w", err)}
	}
	fmt.Fprintf(streams.Out, "the run in %s can be followed at %s until you press Ctrl-C\n", visible.Line(dir), server.URL())
	return errors.Join(follower.Follow(ctx), server.Close())
}

// withoutRun says what to do where there is no run.
func withoutRun(err error) error {
	if noRun := (*ledger.NoRunError)(nil); errors.As(err, &noRun) {
		return fmt.Errorf("%w: name the --output-dir of one", err)
	}
	return err
}
