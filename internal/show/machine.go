package show

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// jsonLines is the view of ModeJSON.
type jsonLines struct{ lines }

// Observe implements View.
func (j *jsonLines) Observe(at time.Time, e journal.Event) {
	line, err := journal.Marshal(at, e)
	if err != nil {
		if j.err == nil {
			j.err = err
		}
		return
	}
	j.write(visible.JSON(string(line)))
}

// quiet is the view of ModeQuiet: for a script, which reads what images there are
// now and is told only of what went wrong.
type quiet struct {
	lines
	results   lines
	pushed    map[string]bool
	outputDir string
}

func newQuiet(out io.Writer, opts Options) *quiet {
	q := &quiet{lines: lines{out: out}, results: lines{out: opts.Results}, pushed: opts.Pushed}
	for _, e := range opts.Kept {
		q.image(e)
	}
	return q
}

// Observe implements View.
func (q *quiet) Observe(_ time.Time, e journal.Event) {
	switch e := e.(type) {
	case journal.RunStarted:
		q.outputDir = e.OutputDir
	case journal.JobFinished:
		switch e.Entry.Status {
		case ledger.SkippedDependency:
			q.write("skipped " + visible.Line(e.Entry.Name) + ": " + visible.Line(e.Entry.Skipped()))
			return
		case ledger.Failed:
			q.write("failed " + visible.Line(e.Entry.Name) + ": " + failureText(e.Entry, 1))
			return
		}
		q.image(e.Entry)
	case journal.RunFinished:
		if e.Summary.Failed > 0 || e.Summary.Unfinished > 0 {
			f := finalText{e.Summary, visible.Line(q.outputDir), 0, palette{}}
			if e.Gone {
				f.outputDir = ""
			}
			q.write(strings.TrimSuffix(f.text(f.headline(), f.results())+f.goOn(), "\n"))
		}
	}
}

// image lists an image as TAG@DIGEST, by the first of its tags. That names nothing
// where the image went to no registry.
func (q *quiet) image(e ledger.Entry) {
	if q.pushed[e.Name] && len(e.Tags) > 0 && e.Digest != "" {
		q.results.write(visible.Line(e.Tags[0]) + "@" + visible.Line(e.Digest))
	}
}

// Close implements View.
func (q *quiet) Close() error { return errors.Join(q.err, q.results.err) }
