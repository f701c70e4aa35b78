package call

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/stoker-build/stoker/internal/lint"
)

// Asked is a job that was asked about, and what came of that.
type Asked struct {
	Name        string
	Description string // that its target has; empty for none
	File        string // its Dockerfile, as a person named it
	Question    string
	Answer      Answer
	Err         error // in place of the answer
}

// Text shows answers to people: what checks found once for all jobs, of others one after
// the other. It tells whether anything was found, or was not answered.
func Text(all []Asked, ignoreStatus bool) (text string, failed bool) {
	var out strings.Builder
	var found lint.Findings
	checked := 0
	for _, a := range all {
		if a.Question == Lint {
			checked++
			failed = a.addTo(&found, ignoreStatus) || failed
			continue
		}
		failed = a.write(&out) || failed
	}
	if checked > 0 {
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		_ = found.Print(&out) // a builder of strings takes all
	}
	return out.String(), failed
}

// addTo adds what a check found.
func (a Asked) addTo(found *lint.Findings, ignoreStatus bool) (failed bool) {
	results, err := a.Answer.Warnings()
	if a.Err != nil {
		err = a.Err
	}
	if err != nil {
		found.Fail(a.Name, err)
		return true
	}
	found.Add(a.Name, a.File, results)
	return results.Error != nil || len(results.Warnings) > 0 && !ignoreStatus
}

// write writes an answer under the name of its job, as docker buildx bake does.
func (a Asked) write(out *strings.Builder) (failed bool) {
	if out.Len() > 0 {
		out.WriteByte('\n')
	}
	fmt.Fprintln(out, a.Name)
	if a.Description != "" {
		fmt.Fprintln(out, a.Description)
	}
	fmt.Fprintln(out)
	err := a.Err
	if err == nil {
		err = a.Answer.Print(out, a.Question)
	}
	if err != nil {
		fmt.Fprintf(out, "error: %v\n", err)
	}
	return err != nil
}

// Document is what programs read: of each target what is built, and what was answered.
type Document struct {
	Group  any                       `json:"group,omitempty"`
	Target map[string]map[string]any `json:"target"`
}

// Add adds answers to a document.
func (d *Document) Add(all []Asked, ignoreStatus bool) (failed bool) {
	if d.Target == nil {
		d.Target = map[string]map[string]any{}
	}
	for _, a := range all {
		if d.Target[a.Name] == nil {
			d.Target[a.Name] = map[string]any{}
		}
		value, bad := a.value(ignoreStatus)
		d.Target[a.Name][PersonsName(a.Question)] = value
		failed = failed || bad
	}
	return failed
}

// value is an answer with the error that came in its place. That of a Dockerfile which is
// checked is said beside what else was found.
func (a Asked) value(ignoreStatus bool) (value map[string]any, failed bool) {
	var said map[string]json.RawMessage // in the frontend's own order
	err := a.Err
	if err == nil {
		err = json.Unmarshal(a.Answer[resultJSON], &said)
	}
	value = map[string]any{}
	for key, part := range said {
		value[key] = part
	}
	if results, unread := a.Answer.Warnings(); a.Question == Lint && err == nil && unread == nil {
		if results.Error != nil {
			var text bytes.Buffer
			results.PrintErrorTo(&text, nil)
			err = errors.New(text.String())
		}
		failed = len(results.Warnings) > 0 && !ignoreStatus
	}
	if err != nil {
		value["error"], failed = err.Error(), true
	}
	return value, failed
}
