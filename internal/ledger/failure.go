package ledger

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Failure tells why an attempt failed.
type Failure struct {
	// Class says what kind of failure it is, as Entry's ErrorClass, and Why what that
	// means; Why is empty where the message alone tells.
	Class string `json:"class"`
	Why   string `json:"why,omitempty"`
	// Step is the step that failed, as the Dockerfile has it, on one line; empty where
	// none did. File and Line say where it begins; Line is 0 where that is not known.
	Step string `json:"step,omitempty"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// ExitCode is what the step's command has exited with; 0 where none did.
	ExitCode int `json:"exit_code,omitempty"`
	// Message is the reason: of a step that exited with a code the line of its output
	// that tells most, else what the builder says.
	Message string `json:"message"`
	// Image is the one that does not exist, where it is for that.
	Image string `json:"image,omitempty"`
	// Output is the last that the step printed.
	Output []string `json:"output,omitempty"`
}

// Place is where in the Dockerfile the failure is, such as tasks/a/Dockerfile:5; empty
// where that is not known.
func (f Failure) Place() string {
	if f.File == "" || f.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

// WithoutDir is the failure as it is in the Dockerfiles of several directories.
func (f Failure) WithoutDir() Failure {
	if f.File != "" {
		f.File = filepath.Base(f.File)
	}
	return f
}

// Reason is the place and the message alone: what a reader needs first.
func (f Failure) Reason() string {
	return joined(f.Place(), f.Why, f.message())
}

// message is never empty.
func (f Failure) message() string {
	switch {
	case f.Message != "":
		return f.Message
	case f.ExitCode != 0:
		return fmt.Sprintf("exit code: %d", f.ExitCode)
	case f.Why != "":
		return ""
	}
	return "no reason given"
}

// With is the failure with a better message.
func (f Failure) With(message string) Failure {
	f.Message = message
	return f
}

// longestStep is how much of a step a line has room for, in characters.
const longestStep = 120

// String is the whole failure on one line, but for the output.
func (f Failure) String() string {
	code := ""
	if f.ExitCode != 0 && f.Message != "" {
		code = fmt.Sprintf("exit code: %d", f.ExitCode)
	}
	return joined(f.Place(), middle(f.Step, longestStep), code, f.Why, f.message())
}

// Kind is equal for failures that have the same cause, as far as can be told: the
// same step with the same code, or the same message but for names and numbers. Each
// job may have a Dockerfile of its own.
func (f Failure) Kind() string {
	f = f.WithoutDir()
	switch {
	case f.ExitCode != 0:
		return fmt.Sprintf("%s %s %s %d", f.Class, f.Place(), f.Step, f.ExitCode)
	case f.Why != "" && (f.Step == "" || isFrom(f.Step)):
		return f.Class + " " + f.Why // of an image, which also a look before the build finds out
	case f.Why != "":
		return f.Class + " " + f.Why + " " + f.Place() + " " + f.Step
	}
	return f.Class + " " + f.Place() + " " + particulars.ReplaceAllString(f.Message, "*")
}

// Cause tells failures of one kind apart that are for different images: who mends one
// has not mended the other, though both may be of no use to try again.
func (f Failure) Cause() string { return f.Kind() + "\x00" + f.Image }

func isFrom(step string) bool {
	instruction, _, _ := strings.Cut(step, " ")
	return strings.EqualFold(instruction, "FROM")
}

// particulars are the words of a message that differ from job to job: names with a
// path, a tag or a number in them.
var particulars = regexp.MustCompile(`\S*[0-9/@]\S*`)

// joined joins the parts that are not empty with colons.
func joined(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// middle cuts the middle out of a text that is longer than so many characters.
func middle(s string, longest int) string {
	r := []rune(s)
	if len(r) <= longest {
		return s
	}
	half := (longest - 1) / 2
	return string(r[:longest-1-half]) + "…" + string(r[len(r)-half:])
}
