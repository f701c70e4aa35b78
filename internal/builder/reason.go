package builder

import (
	"bytes"
	"cmp"
	"errors"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/errdefs"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// stepError is a build's failure with what the progress told of the step that failed.
type stepError struct {
	error
	step   string // its name in the progress
	output []string
}

func (e *stepError) Unwrap() error { return e.error }

// ReasonOf tells why an attempt at a job failed, or why nothing could be found out
// about it beforehand. What the user wrote, and what steps printed, may be in it.
func ReasonOf(job *plan.Job, err error) ledger.Failure {
	class, why := Classify(err)
	f := ledger.Failure{Class: string(class), Why: why, Message: trimmed(err.Error())}
	owner := ownerOf(job, err)
	f.File, f.Line, f.Step = whereOf(owner, err)
	var step *stepError
	if errors.As(err, &step) {
		f.Step, f.Output = cmp.Or(f.Step, writtenAs(owner, step.step)), step.output
		if f.Line == 0 {
			f.File, f.Line, f.Step = placeOf(owner, f.Step)
		}
	}
	if f.File == plan.InlineDockerfile && owner != job { // which has one of its own
		f.File = owner.Name + ": " + f.File
	}
	if code, is := exitOf(err); is {
		f.ExitCode, f.Message = code, mostTelling(f.Output)
		if outOfMemory(ownWords(err)) {
			f.Message = "it ran out of memory and was killed"
		}
	} else if failedProcess.MatchString(f.Message) {
		f.Message = strings.TrimPrefix(trimmed(ownWords(err)), "process: ")
	}
	if why == noSuchImage || why == accessDenied { // the place tells whose it is
		f.Message = trimmed(innermost(err))
	}
	if m := ofImage.FindStringSubmatch(f.Message); why == noSuchImage && m != nil {
		f.Image = m[1]
	}
	if why == notUTF8 && job != nil {
		f.Message = cmp.Or(badName(job), f.Message)
	}
	return f
}

// ownerOf is the job whose Dockerfile an error is of: the last one of those that are built
// on each other, or the one that the build's error names.
func ownerOf(job *plan.Job, err error) *plan.Job {
	var linked *LinkedError
	for job != nil && errors.As(err, &linked) {
		job, err = job.Links[linked.Target], linked.Err
	}
	if named := ofPart.FindStringSubmatch(err.Error()); job != nil && named != nil {
		return cmp.Or(linkedAs(job, named[1]), job)
	}
	return job
}

// ofPart is how buildx begins the error of one of the targets that a build consists of.
var ofPart = regexp.MustCompile(`^target (\S+): `)

// linkedAs returns what a job is built on, at once or in the end, by the name that buildx
// gets for it; nil where that is nothing.
func linkedAs(job *plan.Job, part string) *plan.Job {
	for name, linked := range job.Links {
		if partName(name) == part {
			return linked
		}
		if found := linkedAs(linked, part); found != nil {
			return found
		}
	}
	return nil
}

// whereOf returns where in the Dockerfile a failure is, and the step that begins
// there, as far as BuildKit tells.
func whereOf(job *plan.Job, err error) (file string, line int, step string) {
	text := []byte(nil)
	if job != nil && job.Source != nil {
		file, text = job.Source.Name(), job.Source.Dockerfile()
	}
	for _, s := range errdefs.Sources(err) {
		if s.Info == nil || len(s.Ranges) == 0 {
			continue
		}
		if remote := job != nil && job.Source != nil && text == nil; remote {
			file, text = job.Source.InContext(s.Info.Filename), s.Info.Data
		} else if !bytes.Equal(s.Info.Data, text) {
			file, text = s.Info.Filename, s.Info.Data
		}
		first, last := int(s.Ranges[0].Start.GetLine()), 0
		for _, r := range s.Ranges {
			last = max(last, int(r.Start.GetLine()), int(r.End.GetLine()))
		}
		return file, first, instruction(asWritten(job, text), first, last)
	}
	var located *parser.LocationError
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		first, last := located.Locations[0][0], located.Locations[0][len(located.Locations[0])-1]
		return file, first.Start.Line, instruction(asWritten(job, text), first.Start.Line, last.End.Line)
	}
	return "", 0, ""
}

// placeOf is where a step stands in a job's Dockerfile by what the builder calls it, and how it
// stands there: BuildKit tells no place of what an ADD fetches. Where that is none, or several,
// it is not known.
func placeOf(job *plan.Job, step string) (file string, line int, text string) {
	if job == nil || job.Source == nil {
		return "", 0, step
	}
	dockerfile := asWritten(job, job.Source.Dockerfile())
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return "", 0, step
	}
	called := strings.Join(strings.Fields(step), " ")
	for _, node := range parsed.AST.Children {
		written := instruction(dockerfile, node.StartLine, node.EndLine)
		if !filledIn(written).MatchString(called) {
			continue
		}
		if line > 0 {
			return "", 0, step
		}
		line, text = node.StartLine, written
	}
	if line == 0 {
		return "", 0, step
	}
	return job.Source.Name(), line, text
}

// variable is one in an instruction.
var variable = regexp.MustCompile(`\\\$(?:\w+|\\\{[^}]*\})`)

// filledIn matches what an instruction may be called: with values for its variables.
func filledIn(written string) *regexp.Regexp {
	return regexp.MustCompile(`(?is)^` + variable.ReplaceAllString(regexp.QuoteMeta(written), ".*") + `$`)
}

// asWritten is a Dockerfile as the user has it, where steps of a job's were linked by themselves,
// which keeps lines where they are.
func asWritten(job *plan.Job, dockerfile []byte) []byte {
	if job != nil && job.Proved != nil && bytes.Equal(dockerfile, job.Source.Dockerfile()) {
		return job.Proved.Plain.Source.Dockerfile()
	}
	return dockerfile
}

// writtenAs is a step by what the builder calls it as the job's Dockerfile has it.
func writtenAs(job *plan.Job, called string) string {
	if job == nil {
		return called
	}
	return job.Proved.AsWritten(called)
}

// longestInstruction is how much of an instruction is kept, in bytes.
const longestInstruction = 1000

// instruction returns what stands in some lines of a Dockerfile, counted from 1, as
// one line: continued lines joined, comments between them left out. Of a here-document
// it is the first line.
func instruction(dockerfile []byte, first, last int) string {
	lines := strings.Split(string(dockerfile), "\n")
	if first < 1 || first > len(lines) {
		return ""
	}
	var words []string
	for i, line := range lines[first-1 : min(max(first, last), len(lines))] {
		line = strings.TrimSpace(line)
		if i == 0 && strings.Contains(line, "<<") {
			words = append(words, line, "…")
			break
		}
		if i == 0 || !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(strings.TrimSuffix(line, `\`))...)
		}
	}
	text := strings.Join(words, " ")
	return strings.ToValidUTF8(text[:min(len(text), longestInstruction)], "")
}

// noise is what stands before the reason in BuildKit's messages and tells nothing.
var noise = regexp.MustCompile(`^(?:ERROR: |failed to build: |failed to solve: |failed to compute cache key: |failed to load cache key: |failed to calculate checksum of ref \S+: )`)

// resolving is how the message begins of an image that could not be had.
var resolving = regexp.MustCompile(`^(\S+): failed to resolve source metadata for (\S+): `)

// ofImage is how a trimmed message begins that says of an image that it is not there.
var ofImage = regexp.MustCompile(`^(\S+): `)

// trimmed is a message of BuildKit's without the words before the reason.
func trimmed(message string) string {
	message = strings.TrimSpace(message)
	if part := ofPart.FindString(message); part != "" {
		return part + trimmed(strings.TrimPrefix(message, part))
	}
	for noise.MatchString(message) {
		message = noise.ReplaceAllString(message, "")
	}
	if m := resolving.FindStringSubmatch(message); m != nil {
		rest := strings.TrimPrefix(message, m[0])
		if strings.Contains(rest, m[2]) {
			return rest
		}
		return m[1] + ": " + rest
	}
	return message
}

// stepName is the name of a step in the progress without its place, such as [2/5].
func stepName(name string) string {
	if place, step, found := strings.Cut(name, "] "); found && strings.HasPrefix(place, "[") {
		return step
	}
	return name
}
