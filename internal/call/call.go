// Package call is what Dockerfiles' frontends are asked beside building: which questions
// there are, and how their answers are shown, as docker buildx does with --call. It is pure.
package call

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/frontend/subrequests"
	buildkit "github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
)

// Request is a question.
type Request struct {
	// Name is what the frontend calls it; empty to build.
	Name string
	// JSON has the answers be shown to programs.
	JSON bool
	// IgnoreStatus takes what was found for no failure.
	IgnoreStatus bool
}

// The questions, as frontends call them.
const (
	Lint     = "lint" // which people call check
	outlines = "outline"
	stages   = "targets"
	describe = "subrequests.describe"
)

// Parse reads a question as docker buildx does: build, check, outline or targets, and
// behind a comma format=json or ignorestatus=true.
func Parse(text string) (Request, error) {
	f, err := buildflags.ParseCallFunc(text)
	switch {
	case err != nil && strings.Contains(text, "ignorestatus="):
		return Request{}, errors.New("ignorestatus is true or false")
	case err != nil:
		return Request{}, errors.New("it is the name of a question, with format=json or ignorestatus=true behind a comma")
	case f == nil:
		return Request{}, nil
	case !slices.Contains([]string{"", Lint, outlines, stages, describe}, f.Name):
		return Request{}, fmt.Errorf("%q is neither build nor check, outline or targets", f.Name)
	case !slices.Contains([]string{"", "text", "json"}, f.Format):
		return Request{}, fmt.Errorf("format=%s is neither text nor json", f.Format)
	case f.Name == "":
		return Request{}, errors.New("it names no question: check, outline or targets")
	}
	return Request{Name: f.Name, JSON: f.Format == "json", IgnoreStatus: f.IgnoreStatus}, nil
}

// Asks tells that something is asked, and nothing is built.
func (r Request) Asks() bool { return r.Name != "" }

// PersonsName is what people call a question.
func PersonsName(question string) string {
	if question == Lint {
		return "check"
	}
	return question
}

// Answer is what a frontend says, by the keys that BuildKit has for it.
type Answer map[string][]byte

// Warnings reads what a check found.
func (a Answer) Warnings() (found buildkit.LintResults, err error) {
	return found, json.Unmarshal(a[resultJSON], &found)
}

const (
	resultJSON = "result.json"
	resultText = "result.txt"
)

// Print writes an answer for people. What only a newer frontend says is written in its
// own words.
func (a Answer) Print(w io.Writer, name string) error {
	known, print := "", func([]byte, io.Writer) error { return errors.New("the frontend has not answered") }
	switch name {
	case outlines:
		known, print = outline.SubrequestsOutlineDefinition.Version, outline.PrintOutline
	case stages:
		known, print = targets.SubrequestsTargetsDefinition.Version, targets.PrintTargets
	case describe:
		known, print = subrequests.SubrequestsDescribeDefinition.Version, subrequests.PrintDescribe
	}
	if text := a[resultText]; len(text) > 0 && isNewer(string(a["version"]), known) {
		_, err := w.Write(text)
		return err
	}
	return print(a[resultJSON], w)
}

// isNewer tells whether a version of such as 1.0.0 is after another.
func isNewer(version, known string) bool {
	return slices.CompareFunc(strings.Split(version, "."), strings.Split(known, "."), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	}) > 0 && version != ""
}
