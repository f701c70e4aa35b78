package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/paths"
	"github.com/stoker-build/stoker/internal/report"
)

// reportFormat is a way to write a report.
type reportFormat struct {
	name  string
	write func(reported, io.Writer) error
	// history writes what several runs did one after another; nil where the format has
	// no way to tell that.
	history func(report.History, io.Writer) error
}

// reportFormats are all of them; the first is the default.
var reportFormats = []reportFormat{
	{"text", writeReportText, writeHistoryText},
	{formatJSON, writeReportJSON, writeHistoryJSON},
	{"markdown", writeReportMarkdown, writeHistoryMarkdown},
	{"csv", writeReportCSV, writeHistoryCSV},
	{"html", writePage, writeHistoryPage},
	{"trace", writeReportTrace, nil},
	{"junit", writeReportJUnit, nil},
	{"github", writeAnnotations, nil},
}

// refsFlag names the file for references.
const refsFlag = "--refs"

// reportOptions are the flags of stoker report.
type reportOptions struct {
	format   string
	archived bool
	history  bool
	refs     string
}

func newReport(streams Streams) *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report [DIR...]",
		Short: "Tell what several runs did as of one, such as those of shards",
		Long: `Tell what several runs did as of one: the shards of an input, the phases of a
pipeline, runs that went on in another directory.

Each DIR is the --output-dir of a run, or a directory of such directories; by
default stoker-out. Runs that still go on are told as far as they are. Archived
runs are left out, unless --archived is given.

A job is known by its name and tags. One that is in several runs counts once, as
it ended last. One that was built, and was there already for a later run, counts
as built. Shards of which no run is given are told.

--format json writes an object with the fields of summary.json for all runs
together, where wall_clock_seconds is from the first start to the last end, and:
  run_seconds              the sum of the runs' own wall clocks
  reclaimed_bytes          what sweeps removed; partial where some runs do not
                           say
  pull_bytes               what was to be pulled by the forecasts, compressed
  pulled_bytes             what builders told that they pulled, compressed
  runs                     dir, shard, state, reason, times and counts of each
  missing_shards           shards, of, jobs and all_jobs of each input
  other                    jobs with a status that is neither built, skipped nor
                           failed
  repeated_jobs            names of jobs that ended in several runs
  unfinished_jobs          name, tags and run of planned jobs not on record
  jobs                     the line of the manifest of each job, with run (the
                           directory) and runs (in how many it ended)
  comparison               of two runs with jobs in common: a and b (their
                           figures), options that differ, phases of an image,
                           built_in_both with changed_most, failed_in_a_only
                           and failed_in_b_only; null is unknown
With --history it is an object with runs: those fields of each, and its figures.

--format csv writes texts that begin like a formula with an apostrophe before
them, and control characters as escapes.

--format html writes one page for browsers that needs nothing else, with
drawings of disk, cache and workers over time; a run writes it at its end as
report.html.

--format trace writes what each worker did when for chrome://tracing and
ui.perfetto.dev; a run writes it at its end as trace.json.

--format github writes workflow commands: in a step of GitHub Actions each
cause of failures is shown on the page of the run and beside its line.

Exit codes: 0 all jobs are built or were there; 1 some failed, are left, or
belong to shards that are missing; 2 a record cannot be read. With --history it
is 0 where all records can be read.`,
		Example: `  stoker report stoker-out/1 stoker-out/2
  stoker report --format junit stoker-out > report.xml
  stoker report --format html stoker-out > report.html
  stoker report --refs refs.json bases finals
  stoker report monday/stoker-out tuesday/stoker-out
  stoker report --history stoker-out`,
		SuggestFor: []string{"merge", "summary", "results"},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return completeRun(cmd, nil, typed) // of several
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{defaultOutputDir}
			}
			return runReport(args, o, streams)
		},
	}
	cmd.Flags().StringVar(&o.format, "format", reportFormats[0].name, "how to print: "+or(formatNames()))
	cmd.Flags().BoolVar(&o.archived, "archived", false, "tell of archived runs, too")
	cmd.Flags().BoolVar(&o.history, "history", false, "tell of each run by itself, in the order of time, of archived ones too")
	cmd.Flags().StringVar(&o.refs, "refs", "", "write the references of all images to `FILE`, as refs.json has those of one run")
	_ = cmd.RegisterFlagCompletionFunc("format", oneOfThese(formatNames()...)) // the first for this flag
	return cmd
}

// or joins words of which one is to be chosen.
func or(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func formatNames() (names []string) {
	for _, f := range reportFormats {
		names = append(names, f.name)
	}
	return names
}

func runReport(dirs []string, o reportOptions, streams Streams) error {
	at := slices.IndexFunc(reportFormats, func(f reportFormat) bool { return f.name == o.format })
	if at < 0 {
		return &flagError{fmt.Errorf("--format %q: use %s", o.format, or(formatNames()))}
	}
	if o.history {
		return runHistory(dirs, o, reportFormats[at], streams)
	}
	records, err := recordsIn(dirs, o.archived)
	if err != nil {
		return err
	}
	r := reportOf(records, len(dirs) == 1)
	if o.refs != "" {
		if err := writeRefs(o.refs, r.Report); err != nil {
			return err
		}
	}
	if err := reportFormats[at].write(r, streams.Out); err != nil {
		return &runError{err}
	}
	if !r.AllBuilt() {
		return &exitError{ExitFailed}
	}
	return nil
}

// recordsIn reads the records of the runs in directories, each run once.
func recordsIn(dirs []string, archived bool) (records []ledger.Record, err error) {
	var seen []os.FileInfo
	for _, dir := range dirs {
		runs, err := ledger.Find(dir, archived)
		if noRun := (*ledger.NoRunError)(nil); errors.As(err, &noRun) {
			return nil, fmt.Errorf("%w: name the --output-dir of one, or a directory of such", err)
		}
		if err != nil {
			return nil, err
		}
		for _, run := range runs {
			info, err := os.Stat(run)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(seen, func(other os.FileInfo) bool { return os.SameFile(info, other) }) {
				continue
			}
			seen = append(seen, info)
			record, err := ledger.Look(filepath.Clean(run))
			if err != nil {
				return nil, fmt.Errorf("the record in %s cannot be read: %w", run, err)
			}
			records = append(records, record)
		}
	}
	return records, nil
}

// writeRefs writes the references of all images.
func writeRefs(path string, r report.Report) error {
	data, err := ledger.EncodeRefs(r.Refs())
	if err == nil {
		err = paths.Write(path, data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", refsFlag, err)
	}
	return nil
}

func writeText(w io.Writer, text string) error {
	_, err := io.Copy(w, strings.NewReader(text))
	return err
}
