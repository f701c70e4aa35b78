// Package junit has the elements of JUnit's XML that all of its reports have in common.
package junit

import (
	"encoding/xml"
	"fmt"
	"time"
)

// Counts are the attributes of a suite that count its tests.
type Counts struct {
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Time     string `xml:"time,attr"`
}

// Add counts a test, by the worst of its outcomes.
func (c *Counts) Add(t Case) {
	c.Tests++
	switch {
	case t.Failure != nil:
		c.Failures++
	case t.Error != nil:
		c.Errors++
	case t.Skipped != nil:
		c.Skipped++
	}
}

// Case is a test.
type Case struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Time    string   `xml:"time,attr"`
	Skipped *Outcome `xml:"skipped"`
	Error   *Outcome `xml:"error"`
	Failure *Outcome `xml:"failure"`
}

// Outcome says why a test did not pass.
type Outcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// Seconds is how JUnit writes how long something took.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// Marshal returns the file that has a root element.
func Marshal(root any) ([]byte, error) {
	text, err := xml.MarshalIndent(root, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}
