package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// Step is one line of steps.jsonl: what some of the run's jobs do, each once, with what
// became of it.
type Step struct {
	ID string `json:"id"`
	// Like is the ID of an earlier line with the same form, which is left out then.
	Like string `json:"like,omitempty"`
	*StepForm
	// On are the steps that it is made from.
	On []string `json:"on,omitempty"`
	// Jobs have it. Ran is how often it was made, or tried in vain, and Cached how many
	// jobs found it in the cache; the others took what was being made for another, or never came to it.
	Jobs   int `json:"jobs"`
	Ran    int `json:"ran"`
	Cached int `json:"cached"`
	// Seconds is how long the makings took together.
	Seconds float64 `json:"seconds"`
	// Bytes is what its result takes in a cache; nil where that was not seen.
	Bytes *int64 `json:"bytes,omitempty"`
	// NoCache says that it was not to be taken from the cache (--no-cache).
	NoCache bool `json:"no_cache,omitempty"`
	// Names are those of the jobs that have it; only in a forecast.
	Names []string `json:"-"`
}

// StepKind tells steps from what they are made from.
type StepKind string

// The kinds of steps.
const (
	StepRun    StepKind = "step"
	StepBase   StepKind = "base"   // an image
	StepSource StepKind = "source" // what is fetched from elsewhere
)

// StepForm is what makes a step the one that it is, beside what it is made from.
type StepForm struct {
	Kind StepKind `json:"kind"`
	// Op is exec, copy, file or merge.
	Op string `json:"op,omitempty"`
	// Text is the step as the Dockerfile has it. LinkedAs is what it was built as, where it
	// was linked by itself.
	Text     string `json:"text"`
	LinkedAs string `json:"linked_as,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	// Env has a hash of the value of each variable, by which it can only be told whether
	// two are the same.
	Env map[string]string `json:"env,omitempty"`
	// Files are digests of what it takes of the context; empty where that is not known.
	Files map[string]string `json:"files,omitempty"`
	// Parts are its user, directory and platform, and digests of what else tells it from others.
	Parts map[string]string `json:"parts,omitempty"`
	// Owner is the name by which it gives files an owner.
	Owner string `json:"owner,omitempty"`
	// Caches are its cache mounts.
	Caches []string `json:"cache_mounts,omitempty"`
	// Digest is that of a base image.
	Digest string `json:"digest,omitempty"`
}

// Steps tells how the steps of a run went.
type Steps struct {
	// Distinct is how many there are, base images aside; Ran is how often they were made,
	// and Cached how often found in the cache.
	Distinct int `json:"distinct"`
	Ran      int `json:"ran"`
	Cached   int `json:"cached"`
	// Seconds is how long the makings took together.
	Seconds float64 `json:"seconds"`
	// Again are the lines of Dockerfiles that took the longest of those whose steps were run
	// for a reason that people may not expect.
	Again []RanAgain `json:"again,omitempty"`
}

// RanAgain is a line of a Dockerfile, and why most of its steps were run again.
type RanAgain struct {
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Text    string  `json:"text"`
	Ran     int     `json:"ran"`
	Cached  int     `json:"cached"`
	Seconds float64 `json:"seconds"`
	Bytes   *int64  `json:"bytes,omitempty"`
	Why     string  `json:"why"`
	// WhyRan is how often it ran for that reason, which took so long; 0 where that was not counted.
	WhyRan     int     `json:"why_ran,omitempty"`
	WhySeconds float64 `json:"why_seconds,omitempty"`
	WhyBytes   *int64  `json:"why_bytes,omitempty"`
}

// String says how often, and why.
func (r RanAgain) String() string {
	if r.WhyRan == 0 || r.WhyRan == r.Ran {
		return fmt.Sprintf("%s:%d ran %s: %s", r.File, r.Line, plural.Of(r.Ran, "time"), r.Why)
	}
	return fmt.Sprintf("%s:%d, %d of %s: %s", r.File, r.Line, r.WhyRan, plural.Of(r.Ran, "run"), r.Why)
}

// Took is how long that took.
func (r RanAgain) Took() float64 {
	if r.WhyRan == 0 {
		return r.Seconds
	}
	return r.WhySeconds
}

// writeAgain tells of steps that were run for a reason that people may not expect.
func (s Summary) writeAgain(b *strings.Builder) {
	if s.Steps == nil || len(s.Steps.Again) == 0 {
		return
	}
	b.WriteString("\n### Steps run again\n\n")
	for _, r := range s.Steps.Again {
		fmt.Fprintf(b, "- %s, %s\n", visible.Markdown(r.String()), timespan.OfSeconds(r.Took()))
	}
}

// SumSteps sums steps up; nil for none.
func SumSteps(all []Step) *Steps {
	var s Steps
	for _, step := range all {
		if step.Kind != StepRun {
			continue
		}
		s.Distinct++
		s.Ran += step.Ran
		s.Cached += step.Cached
		s.Seconds += step.Seconds
	}
	if s.Distinct == 0 {
		return nil
	}
	return &s
}

// AddSteps adds what became of steps in a later part of a run.
func AddSteps(before, later []Step) []Step {
	at := make(map[string]int, len(later))
	for i, s := range later {
		at[s.ID] = i
	}
	for _, s := range before {
		i, again := at[s.ID]
		if !again {
			later = append(later, s)
			continue
		}
		later[i].add(s)
	}
	return later
}

// add adds what became of the step in an earlier part of a run.
func (s *Step) add(before Step) {
	s.Jobs, s.Ran, s.Cached, s.Seconds = max(s.Jobs, before.Jobs), s.Ran+before.Ran, s.Cached+before.Cached, s.Seconds+before.Seconds
	if s.Bytes == nil {
		s.Bytes = before.Bytes
	}
}

// EncodeSteps returns steps as steps.jsonl has them.
func EncodeSteps(steps []Step) ([]byte, error) { return formIDs{}.encode(steps) }

// formIDs are the first step of each form that was written.
type formIDs map[*StepForm]string

func (first formIDs) encode(steps []Step) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, s := range steps {
		if id, is := first[s.StepForm]; is {
			s.Like, s.StepForm = id, nil
		} else {
			first[s.StepForm] = s.ID
		}
		if err := e.Encode(s); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// NoStepsError tells that a run has no steps on record.
type NoStepsError struct {
	Dir string
	// Skipped is how many jobs it had, where it is over and skipped all; else 0.
	Skipped int
}

// Error implements error.
func (e *NoStepsError) Error() string {
	if e.Skipped > 0 {
		skipped := "its job was"
		if e.Skipped > 1 {
			skipped = fmt.Sprintf("all %d jobs were", e.Skipped)
		}
		return fmt.Sprintf("the run in %s ran no steps: %s skipped, since the images exist", e.Dir, skipped)
	}
	return fmt.Sprintf("the run in %s has no %s: no job of it has ended, or it is of an earlier version of Stoker", e.Dir, StepsFile)
}

// ReadSteps reads the steps of the run in a directory. The error is a *NoRunError or a
// *NoStepsError where there are none.
func ReadSteps(dir string) ([]Step, error) {
	data, err := os.ReadFile(filepath.Join(dir, StepsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noSteps(dir)
	}
	if err != nil {
		return nil, err
	}
	return decodeSteps(data)
}

// noSteps says why a directory has no steps.
func noSteps(dir string) error {
	if !hasRun(dir) {
		return noRun(dir)
	}
	e := &NoStepsError{Dir: dir}
	if s, err := readSummary(dir); err == nil && s != nil && s.Skipped == s.Total { // else it may be any run
		e.Skipped = s.Skipped
	}
	return e
}

// decodeSteps reads steps. Of several lines of one step the last counts; the end of a line
// may be missing where the run was killed.
func decodeSteps(data []byte) (all []Step, err error) {
	forms, at := map[string]*StepForm{}, map[string]int{}
	for number := 1; len(data) > 0; number++ {
		var line []byte
		var whole bool
		line, data, whole = bytes.Cut(data, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var s Step
		err := json.Unmarshal(line, &s)
		if !whole && errors.As(err, new(*json.SyntaxError)) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", StepsFile, number, err)
		}
		if s.StepForm == nil {
			s.StepForm, s.Like = forms[s.Like], ""
		}
		if s.StepForm == nil {
			return nil, fmt.Errorf("%s: line %d is like a step that does not come before it", StepsFile, number)
		}
		forms[s.ID] = s.StepForm
		if i, again := at[s.ID]; again {
			all[i] = s
			continue
		}
		at[s.ID] = len(all)
		all = append(all, s)
	}
	return all, nil
}

// Ended tells whether the run in a directory came to its end.
func Ended(dir string) bool { return exists(filepath.Join(dir, SummaryFile)) }

// StepsBefore returns the steps of the run that came before the one in a directory, which is
// archived there, and where that is; nothing where there is none that has any on record. A
// run that was killed is passed over: what it would have built is on record, too.
func StepsBefore(dir string) (string, []Step) {
	runs, err := runsOf(dir, true)
	if err != nil {
		return "", nil
	}
	for _, run := range slices.Backward(runs) { // archived ones are called by their times
		if run == dir || !Ended(run) {
			continue
		}
		steps, err := ReadSteps(run)
		if errors.As(err, new(*NoStepsError)) {
			continue
		}
		if err != nil || len(steps) == 0 {
			return "", nil
		}
		return run, steps
	}
	return "", nil
}
