// Package page is what runs did, as a page for browsers: one file that needs nothing else.
// It is pure: all is made from the runs' records and events.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/timeline"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// Data is what a page is made of.
type Data struct {
	Report report.Report
	// Comparison is that of two runs with jobs in common; nil for others.
	Comparison *report.Comparison
	// Runs are those of the report whose events are known, in its order.
	Runs []Run
	// Lines are the lines of the Dockerfiles, the dearest first, as explain tells of them.
	Lines []explain.Line
	// Steps are the steps of all jobs, from which the shared graph is drawn.
	Steps []ledger.Step
	// Made is when the page is made.
	Made time.Time
	// Live is nil but for a page that follows a run.
	Live *Live
	// Tail returns the last lines of a log; nil where logs cannot be read.
	Tail func(path string) []string
}

// Live is what a page needs that follows a run.
type Live struct {
	// Events is where the page is told what is new, from where it is.
	Events string
	// Rows is how many jobs the page has that have ended.
	Rows int
	// Over tells that the run does not go on.
	Over bool
	// Left is about how long it still takes, for people; empty while that is not known.
	Left string
}

// Run is one run over time.
type Run struct {
	Dir string
	*timeline.Run
}

//go:embed *.html
var pageTexts embed.FS

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"duration": duration,
	"size":     func(bytes int64) string { return size(float64(bytes)) },
	"line":     visible.Line,
	"command":  visible.Command,
	"policy":   Policy,
	"style":    func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // it is ours
	"script":   func() template.JS { return template.JS(pageScript) },  //nolint:gosec // it is ours
}).ParseFS(pageTexts, "*.html"))

// Write writes the page.
func Write(w io.Writer, d Data) error { return pageTemplate.ExecuteTemplate(w, "page", view{d}) }

// Policy is what browsers let the page do: run its own script, and ask whence it came.
func Policy() string {
	script := sha256.Sum256([]byte(pageScript))
	return "default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(script[:]) + "'"
}

// Parts are the parts of a page that change while a run goes on, by their names.
func Parts(d Data, names ...string) (map[string]string, error) {
	parts := map[string]string{}
	for _, name := range names {
		var b strings.Builder
		if err := pageTemplate.ExecuteTemplate(&b, name, view{d}); err != nil {
			return nil, err
		}
		parts[name] = b.String()
	}
	return parts, nil
}

// Row is a job's row in the table of all jobs.
func Row(j report.Job) (string, error) {
	var b strings.Builder
	err := pageTemplate.ExecuteTemplate(&b, "row", rowOf(j))
	return strings.TrimSpace(b.String()), err
}

// duration is a time for people.
var duration = timespan.OfSeconds

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
