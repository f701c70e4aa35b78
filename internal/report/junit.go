package report

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/junit"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// junitSuites is the root of a JUnit report. It must not count what was skipped.
type junitSuites struct {
	XMLName  xml.Name      `xml:"testsuites"`
	Name     string        `xml:"name,attr"`
	Tests    int           `xml:"tests,attr"`
	Failures int           `xml:"failures,attr"`
	Errors   int           `xml:"errors,attr"`
	Time     string        `xml:"time,attr"`
	Suites   []*junitSuite `xml:"testsuite"`
}

// junitSuite is a run.
type junitSuite struct {
	Name string `xml:"name,attr"`
	junit.Counts
	Timestamp string       `xml:"timestamp,attr,omitempty"`
	Cases     []junit.Case `xml:"testcase"`

	took time.Duration
}

// JUnit has a test suite for each run and a test for each job, in the run in which it ended
// last. What has not ended is an error, and so is a shard of which no run is known.
func (r Report) JUnit() ([]byte, error) {
	all := junitSuites{Name: "stoker"}
	suites := map[string]*junitSuite{}
	for _, run := range r.Runs {
		s := &junitSuite{Name: run.Dir, Timestamp: strings.TrimSuffix(timestamp(run.StartedAt), "Z")}
		if run.Shard != "" {
			s.Name += " (shard " + run.Shard + ")"
		}
		suites[run.Dir] = s
		all.Suites = append(all.Suites, s)
	}
	for _, j := range r.Jobs {
		suites[j.Run].add(caseOf(j), j.DurationSeconds)
	}
	for _, j := range r.Open {
		suites[j.Run].add(junit.Case{Name: j.Name, Error: &junit.Outcome{Message: "it has not ended", Type: string(unfinished)}}, 0)
	}
	if len(r.Missing) > 0 {
		s := &junitSuite{Name: "shards"}
		for _, m := range r.Missing {
			s.add(junit.Case{Name: fmt.Sprintf("all %d shards", m.Of), Error: &junit.Outcome{Message: m.String(), Type: "missing"}}, 0)
		}
		all.Suites = append(all.Suites, s)
	}
	var took time.Duration
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		took += s.took
		s.Time = junit.Seconds(s.took)
	}
	all.Time = junit.Seconds(took)
	return junit.Marshal(all)
}

func (s *junitSuite) add(c junit.Case, seconds float64) {
	took := time.Duration(seconds * float64(time.Second))
	c.Class, c.Time = s.Name, junit.Seconds(took)
	s.Cases = append(s.Cases, c)
	s.took += took
	s.Add(c)
}

// caseOf is the test of a job that has ended.
func caseOf(j Job) junit.Case {
	c := junit.Case{Name: j.Name}
	switch j.Status {
	case ledger.Built:
	case ledger.Skipped:
		c.Skipped = &junit.Outcome{Message: "its tags exist already"}
	case ledger.Failed:
		cause := j.Cause()
		c.Failure = &junit.Outcome{Message: visible.Line(cause.Reason()), Type: cause.Class, Text: visible.Lines(failureText(j))}
	default:
		c.Skipped = &junit.Outcome{Message: strings.TrimSuffix(string(j.Status)+": "+j.why(), ": ")}
	}
	return c
}

// failureText is the whole of what is known of a failure.
func failureText(j Job) string {
	cause := j.Cause()
	lines := append([]string{cause.String()}, cause.Output...)
	if j.LogPath != nil {
		lines = append(lines, *j.LogPath)
	}
	return strings.Join(lines, "\n")
}
