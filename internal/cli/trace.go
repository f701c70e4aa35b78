package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/telemetry"
	"github.com/stoker-build/stoker/internal/trace"
	"github.com/stoker-build/stoker/internal/visible"
)

// writeTrace writes what runs did over time, for chrome://tracing and Perfetto.
func writeTrace(dirs []string, w io.Writer) (leftOut string, err error) {
	t := trace.New(w)
	for _, dir := range dirs {
		name := ""
		if len(dirs) > 1 {
			name = dir
		}
		t.Run(name)
		if err := replayOf(dir, t.Apply); err != nil {
			return "", errors.Join(fmt.Errorf("the events of %s cannot be read: %w", dir, err), t.Close())
		}
	}
	return t.LeftOut(), t.Close()
}

// replayOf tells an observer what happened in a run that is on record.
func replayOf(dir string, observe journal.Observer) error {
	events, err := ledger.OpenEvents(dir)
	if err != nil {
		return err
	}
	defer events.Close()
	return journal.Replay(events, observe)
}

// keepTrace writes the trace of a run that has just ended, and whose record is still open.
func keepTrace(record *ledger.Ledger, dir string, w io.Writer) {
	leftOut := ""
	err := record.WriteTrace(func(w io.Writer) (err error) {
		leftOut, err = writeTrace([]string{dir}, w)
		return err
	})
	switch {
	case err != nil:
		fmt.Fprintf(w, "warning: there is no %s: %s\n", ledger.TraceFile, err)
	case leftOut != "":
		fmt.Fprintf(w, "note: %s: %s\n", ledger.TraceFile, leftOut)
	}
}

// telemetryPatience is how long a collector may take for the last spans of a run.
const telemetryPatience = 5 * time.Second

// startTelemetry has spans of a run sent where OpenTelemetry's variables ask for that, and
// says why they are not. It returns nil for not at all, and what ends it.
func startTelemetry(version string, j *journal.Journal, secrets *redact.Redactor, w io.Writer) (spans *telemetry.Telemetry, stop func()) {
	warn := func(err error) {
		fmt.Fprintf(w, "warning: OpenTelemetry: %s\n", visible.Line(strings.ReplaceAll(secrets.String(err.Error()), "\n", "; ")))
	}
	spans, err := telemetry.FromEnv(version)
	if err != nil {
		warn(err)
	}
	if spans == nil {
		return nil, func() {}
	}
	told := j.Subscribe(pageQueue, spans.Apply)
	return spans, func() {
		_ = told.Close(show.Patience)
		if err := spans.Close(telemetryPatience); err != nil {
			warn(err)
		}
	}
}
