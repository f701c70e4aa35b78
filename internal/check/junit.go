package check

import (
	"encoding/xml"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/junit"
	"github.com/stoker-build/stoker/internal/visible"
)

// The elements of a JUnit report, with what the strict of its schemas ask for.
type (
	suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suite   suite    `xml:"testsuite"`
	}
	suite struct {
		ID        int    `xml:"id,attr"`
		Package   string `xml:"package,attr"`
		Name      string `xml:"name,attr"`
		Timestamp string `xml:"timestamp,attr"`
		Hostname  string `xml:"hostname,attr"`
		junit.Counts
		Properties struct{}  `xml:"properties"`
		Cases      []*tested `xml:"testcase"`
		Out        string    `xml:"system-out"`
		Err        string    `xml:"system-err"`
	}
	tested struct{ junit.Case }
)

// noTime is how long a test took: no single one is measured.
const noTime = "0"

// JUnit returns the report as JUnit's XML: a test for each job, and one for each finding
// that is no job's. A fault is a failure; what is not known counts as skipped, as does a job that was not looked at;
// warnings are in the output.
func (r *Report) JUnit(began time.Time, took time.Duration, rewrite func(string) string) ([]byte, error) {
	s := suite{Package: "stoker", Name: "stoker check", Hostname: "localhost",
		Timestamp: began.UTC().Format("2006-01-02T15:04:05"), Counts: junit.Counts{Time: junit.Seconds(took)}}
	of := map[string]*tested{}
	for _, name := range r.Jobs {
		of[name] = &tested{junit.Case{Name: visible.Line(name), Class: "stoker.check.job", Time: noTime}}
		s.Cases = append(s.Cases, of[name])
	}
	for _, f := range r.Findings(rewrite) {
		if f.Severity == Warning || f.Severity == Advice {
			s.Out += r.told(f) + "\n"
			continue
		}
		for _, name := range f.Jobs {
			if t := of[name]; t != nil {
				t.take(f)
			}
		}
		if len(f.Jobs) == 0 {
			own := &tested{junit.Case{Name: visible.Line(f.Text), Class: "stoker.check." + string(f.Kind), Time: noTime}}
			own.take(f)
			s.Cases = append(s.Cases, own)
		}
	}
	r.skip(of)
	for _, t := range s.Cases {
		s.Add(t.Case)
	}
	return junit.Marshal(suites{Suite: s})
}

// skip has the tests of jobs that were not looked at say so.
func (r *Report) skip(of map[string]*tested) {
	left, why := r.Existing, "not looked at, since its image exists: --force looks at all"
	if r.inputOnly() {
		left, why = r.Jobs, "not looked at, since the input has faults"
	}
	for _, name := range left {
		if t := of[name]; t != nil && t.Failure == nil {
			t.Skipped = &junit.Outcome{Message: why}
		}
	}
}

// take notes a finding of a test. Of several it has one failure, as the schemas want; it
// tells of all.
func (t *tested) take(f Finding) {
	text := visible.Lines(strings.TrimSpace(f.Text + "\n" + f.Hint + "\n" + placesOf(f)))
	switch {
	case f.Severity == Fault && t.Failure == nil:
		t.Failure = &junit.Outcome{Message: visible.Line(f.Text), Type: string(f.Kind), Text: text}
	case f.Severity == Fault:
		t.Failure.Text += "\n" + text
	case t.Failure == nil && t.Skipped == nil: // faults come first
		t.Skipped = &junit.Outcome{Message: "not known: " + visible.Line(f.Text)}
	}
}

// told is a finding in one line.
func (r *Report) told(f Finding) string {
	parts := []string{words[f.Severity] + ": " + f.Text, f.Hint}
	if f.Cost != nil {
		parts = append(parts, f.Cost.Text)
	}
	parts = append(parts, placesOf(f))
	if len(f.Jobs) > 0 {
		parts = append(parts, r.jobsOf(f))
	}
	var line []string
	for _, part := range parts {
		if part != "" {
			line = append(line, visible.Line(part))
		}
	}
	return strings.Join(line, "; ")
}
