package report

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
)

// junitSuites is the root of a JUnit report.
type junitSuites struct {
	XMLName xml.Name `xml:"testsuites"`
	Name    string   `xml:"name,attr"`
	junitCounts
	Suites []*junitSuite `xml:"testsuite"`
}

// junitSuite is a run.
type junitSuite struct {
	Name string `xml:"name,attr"`
	junitCounts
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCounts struct {
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Time     string `xml:"time,attr"`

	seconds float64
}

// junitCase is a job.
type junitCase struct {
	Name      string       `xml:"name,attr"`
	Classname string       `xml:"classname,attr"`
	Time      string       `xml:"time,attr"`
	Skipped   *junitReason `xml:"skipped"`
	Error     *junitReason `xml:"error"`
	Failure   *junitReason `xml:"failure"`
}

type junitReason struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
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
		suites[j.Run].add(junitCase{Name: j.Name, Error: &junitReason{Message: "it has not ended", Type: string(unfinished)}}, 0)
	}
	if len(r.Missing) > 0 {
		s := &junitSuite{Name: "shards"}
		for _, m := range r.Missing {
			s.add(junitCase{Name: fmt.Sprintf("all %d shards", m.Of), Error: &junitReason{Message: m.String(), Type: "missing"}}, 0)
		}
		all.Suites = append(all.Suites, s)
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
		all.seconds += s.seconds
		s.Time = inSeconds(s.seconds)
	}
	all.Time = inSeconds(all.seconds)
	data, err := xml.MarshalIndent(all, "", "  ")
	return append([]byte(xml.Header), append(data, '\n')...), err
}

func (s *junitSuite) add(c junitCase, seconds float64) {
	c.Classname, c.Time = s.Name, inSeconds(seconds)
	s.Cases = append(s.Cases, c)
	s.seconds += seconds
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

// caseOf is the test of a job that has ended.
func caseOf(j Job) junitCase {
	c := junitCase{Name: j.Name}
	switch j.Status {
	case ledger.Built:
	case ledger.Skipped:
		c.Skipped = &junitReason{Message: "its tags exist already"}
	case ledger.Failed:
		cause := j.Cause()
		c.Failure = &junitReason{Message: cause.Reason(), Type: cause.Class, Text: failureText(j)}
	default:
		c.Skipped = &junitReason{Message: strings.TrimSuffix(string(j.Status)+": "+j.why(), ": ")}
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

func inSeconds(s float64) string { return fmt.Sprintf("%.3f", s) }
