package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/stoker-build/stoker/internal/every"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/metrics"
	"github.com/stoker-build/stoker/internal/paths"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/show"
)

const metricsFlag = "--metrics-textfile"

// metricsInterval is how often the file of --metrics-textfile is written: as often as
// Prometheus usually asks.
const metricsInterval = 15 * time.Second

// metricsFiles is the file of --metrics-textfile, if there is one.
func (o runOptions) metricsFiles() []plan.Written {
	if o.metricsFile == "" {
		return nil
	}
	return []plan.Written{{Flag: metricsFlag, Path: o.metricsFile, Key: paths.Key(o.metricsFile)}}
}

// prepareMetrics makes sure that the file can be written.
func (o runOptions) prepareMetrics() error {
	for _, f := range o.metricsFiles() {
		if err := paths.Checker()(f.Path); err != nil {
			return &flagError{fmt.Errorf("%s: %w", f.Flag, err)}
		}
	}
	return nil
}

// writeMetrics keeps the run's numbers in a file, if they are to be, and returns what
// writes the last ones. That they cannot be written is said once, and stops nothing.
func (o runOptions) writeMetrics(j *journal.Journal) (end func(w io.Writer)) {
	if o.metricsFile == "" {
		return func(io.Writer) {}
	}
	numbers := metrics.New()
	write := func() error {
		text, err := numbers.Text()
		if err != nil {
			return err
		}
		return paths.Write(o.metricsFile, text)
	}
	told := j.Subscribe(journal.Everything, func(at time.Time, e journal.Event) {
		numbers.Apply(at, e)
		if _, begins := e.(journal.RunStarted); begins { // the numbers of an earlier run are no longer true
			_ = write() // why it cannot be is said by those that follow
		}
	})
	said := false // read by the end only after the last of these calls
	stop := every.Interval(metricsInterval, func() {
		if err := write(); err != nil && !said {
			said = true
			j.Tell(journal.Warning{Message: o.noMetrics(err)})
		}
	})
	return func(w io.Writer) {
		stop()
		_ = told.Close(show.Patience)
		if err := write(); err != nil && !said {
			fmt.Fprintf(w, "warning: %s\n", o.noMetrics(err))
		}
	}
}

func (o runOptions) noMetrics(err error) string {
	return fmt.Sprintf("%s: the numbers of this run could not be written into %q: %s", metricsFlag, o.metricsFile, err)
}
