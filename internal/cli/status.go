package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/show"
)

func newStatus(streams Streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Show how a run stands, from another terminal",
		Long: `Show how the run in an output directory stands: whether it runs, what is done,
what runs now, what waits, and what failed for which reason.

DIR is the run's --output-dir, by default stoker-out. The run is not disturbed:
only its files are read. A finished, stopped or archived run is shown as well.

"watch stoker status" shows it again and again.

--format json writes an object; what is not known is null or left out:
  dir, host, pid           where the run is
  state, reason            running, finished, stopped, killed or unknown; why
  started_at, finished_at  when; elapsed_seconds: how long
  nodes, lost_nodes        what builds; those of several that do not answer
  total, built, skipped, failed, unfinished
                           jobs, those that an earlier run built included
  images_per_hour          of this run
  left_seconds             about how long it will still take
  running                  job, node (of several), attempt, doing and seconds of each
  waiting_for_space        job, need and seconds of the next job
  reclaimed_bytes          what the sweeps removed
  failures                 those of one cause together: reason, jobs, and the
                           log_path and failure of the first of them
  warnings                 the last ones
  resume_command           what goes on with it

Exit codes: 0 a run was found, however it stands; 2 there is none.`,
		Example: `  stoker status
  stoker status --format json stoker-out`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &flagError{fmt.Errorf("one output directory at most, got %s", strings.Join(args, " "))}
			}
			return nil
		},
		ValidArgsFunction: completeRun,
		SuggestFor:        []string{"ps", "top", "ls", "list", "show", "progress"},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := ""
			if len(args) > 0 {
				dir = args[0]
			}
			return runStatus(cmp.Or(dir, defaultOutputDir), format, streams)
		},
	}
	addFormat(cmd, &format)
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
	_, err = io.WriteString(streams.Out, status.Text(width, width > 0 && os.Getenv("NO_COLOR") == ""))
	return err
}

func statusIn(dir string) (show.Status, error) {
	record, err := ledger.Look(dir)
	if noRun := (*ledger.NoRunError)(nil); errors.As(err, &noRun) {
		return show.Status{}, fmt.Errorf("%w: name the --output-dir of one", err)
	}
	if err != nil {
		return show.Status{}, err
	}
	events, err := ledger.OpenEvents(dir)
	if err != nil {
		return show.Status{}, err
	}
	defer events.Close()
	host, _ := os.Hostname()
	return show.StatusOf(record, events, host, time.Now())
}
