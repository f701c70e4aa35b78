package junit_test

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
)

// schema is what may stand in a document, by the names of elements.
type schema map[string]element

// element is what an element may have.
type element struct {
	children string // a pattern of their names, each with a blank behind it; empty for none
	// attributes are patterns of the values of those that must be there, and may be.
	must, may map[string]string
	text      bool
}

const (
	anything = `.*`
	token    = `\S.*`
	count    = `\d+`
	decimal  = `\d+(\.\d+)?`
)

// jenkins is what the schema asks for by which Jenkins' xunit plugin takes reports, those of Maven's
// Surefire among them (model/xsd/junit-10.xsd in it), without the elements that tell of tests that are run again.
var jenkins = schema{
	"testsuites": {children: `(testsuite )*`, may: map[string]string{"name": anything, "time": decimal, "tests": anything, "failures": anything, "errors": anything}},
	"testsuite": {children: `((testsuite|properties|testcase|system-out|system-err) )*`,
		must: map[string]string{"name": anything, "tests": anything, "failures": anything, "errors": anything},
		may: map[string]string{"group": anything, "time": decimal, "skipped": anything, "timestamp": anything, "hostname": anything,
			"id": anything, "package": anything, "file": anything, "log": anything, "url": anything}},
	"properties": {},
	"testcase": {children: `((skipped|error|failure|system-out|system-err) )*`, must: map[string]string{"name": anything},
		may: map[string]string{"time": anything, "classname": anything, "group": anything}},
	"failure":    {text: true, may: map[string]string{"type": anything, "message": anything}},
	"error":      {text: true, may: map[string]string{"type": anything, "message": anything}},
	"skipped":    {text: true, may: map[string]string{"type": anything, "message": anything}},
	"system-out": {text: true},
	"system-err": {text: true},
}

// ant is what the stricter schema of Ant's JUnitReport asks for (JUnit.xsd of Windy Road).
var ant = schema{
	"testsuites": {children: `(testsuite )*`},
	"testsuite": {children: `properties (testcase )*system-out system-err `,
		must: map[string]string{"package": anything, "id": count, "name": token, "timestamp": `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`, "hostname": token,
			"tests": count, "failures": count, "errors": count, "time": decimal},
		may: map[string]string{"skipped": count}},
	"properties": {},
	"testcase":   {children: `((skipped|error|failure) )?`, must: map[string]string{"name": anything, "classname": anything, "time": decimal}},
	"failure":    {text: true, must: map[string]string{"type": anything}, may: map[string]string{"message": anything}},
	"error":      {text: true, must: map[string]string{"type": anything}, may: map[string]string{"message": anything}},
	"skipped":    {text: true, may: map[string]string{"message": anything, "type": anything}},
	"system-out": {text: true},
	"system-err": {text: true},
}

// node is an element of a document.
type node struct {
	XMLName    xml.Name
	Attributes []xml.Attr `xml:",any,attr"`
	Children   []node     `xml:",any"`
	Text       string     `xml:",chardata"`
}

// wrong says what in a document its schema does not allow.
func (s schema) wrong(text []byte) error {
	var root node
	if err := xml.Unmarshal(text, &root); err != nil {
		return err
	}
	if root.XMLName.Local != "testsuites" {
		return fmt.Errorf("the root is %s", root.XMLName.Local)
	}
	return s.wrongIn(root)
}

func (s schema) wrongIn(n node) error {
	name := n.XMLName.Local
	is, known := s[name]
	if !known {
		return fmt.Errorf("there is no element %s", name)
	}
	there := map[string]bool{}
	for _, a := range n.Attributes {
		pattern, may := is.may[a.Name.Local]
		if must, has := is.must[a.Name.Local]; has {
			pattern, may = must, true
		}
		if !may || !matches(pattern, a.Value) {
			return fmt.Errorf("%s has %s=%q", name, a.Name.Local, a.Value)
		}
		there[a.Name.Local] = true
	}
	for attribute := range is.must {
		if !there[attribute] {
			return fmt.Errorf("%s has no %s", name, attribute)
		}
	}
	children := ""
	for _, child := range n.Children {
		children += child.XMLName.Local + " "
		if err := s.wrongIn(child); err != nil {
			return err
		}
	}
	if !matches(is.children, children) || !is.text && strings.TrimSpace(n.Text) != "" {
		return fmt.Errorf("%s has the elements %sand the text %q", name, children, n.Text)
	}
	return nil
}

func matches(pattern, text string) bool {
	return regexp.MustCompile(`(?s)^(?:` + pattern + `)$`).MatchString(text)
}

// checked is the report of a check with findings of each kind, of jobs and of none.
func checked(t *testing.T) []byte {
	r := &check.Report{Jobs: []string{"a", "b", "c", "d"}, Existing: []string{"d"}}
	for _, severity := range []check.Severity{check.Fault, check.Warning, check.Unknown} {
		r.Add(check.Finding{Severity: severity, Kind: check.Image, Text: "a <\x1b[31m&\x00\" is gone\nand more", Hint: "do", Jobs: []string{"a", "b"}, Places: []check.Place{{File: "f", Line: 1}}},
			check.Finding{Severity: severity, Kind: check.Build, Text: "another", Jobs: []string{"a"}}, check.Finding{Severity: severity, Kind: check.Space, Text: "the disk"})
	}
	text, err := r.JUnit(time.Now(), 90*time.Minute, func(s string) string { return s })
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reported is the report of two runs, one of which goes on, with jobs that ended in all ways, and of a shard that is missing.
func reported(t *testing.T) []byte {
	began := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	record := func(dir string, number int, entries ...ledger.Entry) ledger.Record {
		r := ledger.Record{Dir: dir, Entries: entries, Run: ledger.RunRecord{StartedAt: ledger.Time{Time: began}, JobCount: 2}}
		r.Run.Plan.Shard = &ledger.Shard{Number: number, Of: 3, Jobs: 2, Input: "x"}
		for _, e := range entries {
			r.Run.Plan.Jobs = append(r.Run.Plan.Jobs, ledger.PlanJob{Name: e.Name})
		}
		r.Run.Plan.Jobs = append(r.Run.Plan.Jobs, ledger.PlanJob{Name: "open"})
		return r
	}
	ended := func(name string, status ledger.Status) ledger.Entry {
		why := "no <such>\x1b[1m file"
		e := ledger.Entry{Time: ledger.Time{Time: began}, Name: name, Status: status, DurationSeconds: 4000}
		if status == ledger.Failed {
			e.Error, e.Failure = &why, &ledger.Failure{Class: "step_failed", Step: "RUN x", Message: why, Output: []string{why}}
		}
		return e
	}
	text, err := report.Merge(report.OnRecord([]ledger.Record{
		record("one", 1, ended("a", ledger.Built), ended("b", ledger.Failed), ended("c", ledger.Skipped), ended("d", ledger.SkippedDependency)), record("two", 2),
	})).JUnit()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Both reports are such as Jenkins takes, and a check's such as Ant makes.
func TestSchemas(t *testing.T) {
	for name, tt := range map[string]struct {
		text   []byte
		schema schema
	}{
		"check, by Jenkins": {checked(t), jenkins}, "check, by Ant": {checked(t), ant}, "report, by Jenkins": {reported(t), jenkins},
	} {
		if err := tt.schema.wrong(tt.text); err != nil {
			t.Errorf("%s: %s\n%s", name, err, tt.text)
		}
	}
}
