package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// explained is what stoker explain tells programs.
type explained struct {
	Run string `json:"run"`
	// Against is the earlier run; empty for none.
	Against string         `json:"against,omitempty"`
	Steps   *ledger.Steps  `json:"steps"`
	Lines   []explain.Line `json:"lines"`
}

func newExplain(streams Streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "explain [DIR] [DIR]",
		Short: "Tell why steps were run that you would think cached",
		Long: `Tell for each line of the Dockerfiles how often its step was run and found in
the cache over all jobs, how long that took, what the results take, and why it
was run: which variable, file or base image made it another step.

DIR is the --output-dir of a run, by default stoker-out. Its steps are compared
with those of the run before it in the same directory, which is archived there;
where there is none, with each other. With two directories, the steps of the
second run are compared with those of the first.

A reason is the first difference down to the base image, with the line that it
counts from. Of variables the record has only a hash of each value.

--format json writes an object with run, against (the earlier run), steps
(distinct, ran, cached, seconds) and lines. Each line has file, line, text (with
"…" for words that its steps do not have in common), linked_as (what it was
built as, where it was linked by itself), steps, jobs, ran, cached, seconds,
bytes, sizes_missing (for so many steps that ran it is not known what they take)
and reasons (text, file, line, and of the steps that were run for it: steps,
ran, seconds, bytes).`,
		Example: `  stoker explain
  stoker explain stoker-out
  stoker explain monday tuesday`,
		SuggestFor: []string{"why", "cache", "diff"},
		Args:       cobra.MaximumNArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return completeRun(cmd, nil, typed)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return runExplain(args, format, streams)
		},
	}
	addFormat(cmd, &format)
	return cmd
}

func runExplain(dirs []string, format string, streams Streams) error {
	e := explained{Run: defaultOutputDir}
	switch len(dirs) {
	case 1:
		e.Run = dirs[0]
	case 2:
		e.Against, e.Run = dirs[0], dirs[1]
	}
	now, err := ledger.ReadSteps(e.Run)
	if err != nil {
		return withoutRun(err)
	}
	var earlier []ledger.Step
	if e.Against == "" {
		e.Against, earlier = ledger.StepsBefore(e.Run)
	} else if earlier, err = ledger.ReadSteps(e.Against); err != nil {
		return withoutRun(err)
	}
	if !ledger.Ended(e.Run) {
		fmt.Fprintf(streams.Err, "the run in %s goes on, or was killed: this is what its jobs that have ended made known\n", visible.Line(e.Run))
	}
	e.Steps, e.Lines = ledger.SumSteps(now), explain.Run(now, earlier)
	if format == formatJSON {
		return writeJSON(streams.Out, e)
	}
	against := "compared with each other"
	if e.Against != "" {
		against = "compared with those of " + e.Against
	}
	_, err = io.WriteString(streams.Out, fmt.Sprintf("%s; %s\n\n%s", explain.Headline(now), against, explain.Text(e.Lines)))
	return err
}
