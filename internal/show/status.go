package show

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// The states of a run.
const (
	// Running: a process writes the record.
	Running = "running"
	// Finished: every job has ended.
	Finished = "finished"
	// Stopped: it ended before every job had.
	Stopped = "stopped"
	// Killed: it is gone, and could not say why.
	Killed = "killed"
	// Unknown: it ran on another machine, of which nothing can be seen.
	Unknown = "unknown"
)

// Status is how a run stands that another process runs, or has run. What is not
// known is null or left out.
//
// Large: its fields are those of the output, which programs read.
type Status struct {
	Dir   string `json:"dir"`
	State string `json:"state"`
	// Reason says why a run stops, or has stopped.
	Reason         string      `json:"reason,omitempty"`
	Host           string      `json:"host,omitempty"`
	PID            int         `json:"pid,omitempty"`
	StartedAt      ledger.Time `json:"started_at"` // or resumed at
	FinishedAt     ledger.Time `json:"finished_at"`
	ElapsedSeconds float64     `json:"elapsed_seconds"`
	Nodes          []string    `json:"nodes,omitempty"`
	// LostNodes are those of several that do not answer.
	LostNodes []string `json:"lost_nodes,omitempty"`

	Total   int `json:"total"`
	Built   int `json:"built"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`
	// Kept are those of Built and Skipped that an earlier run had finished.
	Kept int `json:"kept,omitempty"`
	// SkippedDependency jobs are those of FailedDependencies, and not among Skipped.
	SkippedDependency int             `json:"skipped_dependency,omitempty"`
	Unfinished        int             `json:"unfinished"`
	ImagesPerHour     float64         `json:"images_per_hour,omitempty"`
	LeftSeconds       *float64        `json:"left_seconds"`
	Running           []StatusJob     `json:"running"`
	Waiting           *StatusWaiting  `json:"waiting_for_space"`
	Reclaimed         int64           `json:"reclaimed_bytes"`
	Pulled            *int64          `json:"pulled_bytes"`
	Failures          []StatusFailure `json:"failures"`
	// FailedDependencies are the failed jobs on which others would have been built.
	FailedDependencies ledger.Dependants `json:"failed_dependencies,omitempty"`
	Warnings           []string          `json:"warnings,omitempty"`
	// Notes tell what is wrong with the record.
	Notes         []string `json:"notes,omitempty"`
	ResumeCommand string   `json:"resume_command,omitempty"`

	state *State
	kept  ledger.KeptCount
	now   time.Time
}

// StatusJob is a job that runs.
type StatusJob struct {
	Job     string  `json:"job"`
	Node    string  `json:"node,omitempty"` // where there are several
	Attempt int     `json:"attempt"`
	Doing   string  `json:"doing"`
	Seconds float64 `json:"seconds"`
}

// StatusWaiting is the next job, which there is no space for.
type StatusWaiting struct {
	Job     string  `json:"job"`
	Need    string  `json:"need"`
	Seconds float64 `json:"seconds"`
}

// StatusFailure is jobs that failed for the same cause.
type StatusFailure struct {
	Reason string   `json:"reason"`
	Jobs   []string `json:"jobs"`
	// Log is the last log of the first of them, and Failure why that failed.
	Log     string         `json:"log_path,omitempty"`
	Failure ledger.Failure `json:"failure"`

	group ledger.FailureGroup
}

// StatusOf tells how a run stands by its record and events.
func StatusOf(r ledger.Record, events io.Reader, now time.Time) (Status, error) {
	s := Status{Dir: r.Dir, Host: r.Run.Host, PID: r.Run.PID, ResumeCommand: r.Run.ResumeCommand, Total: r.Run.JobCount,
		StartedAt: r.Run.LastStart(), FinishedAt: r.Run.FinishedAt, state: NewState(r), now: now, Running: []StatusJob{}, Failures: []StatusFailure{}}
	if err := journal.Replay(events, s.state.Apply); err != nil {
		return s, err
	}
	s.count(r)
	s.judge(r)
	for _, note := range r.Notes {
		s.Notes = append(s.Notes, visible.Line(note))
	}
	if s.state.latest.IsZero() && r.Summary != nil { // nobody has the events: what the run has said at its end holds
		s.state.started, s.state.latest = s.StartedAt.Time, r.Summary.FinishedAt.Time
	}
	if s.State != Running {
		s.now = s.state.latest
		s.state.running, s.state.waiting, s.state.sweeps, s.state.lostNodes = nil, nil, nil, nil
	}
	s.fill()
	if s.State != Running && s.state.summary == nil { // nobody goes on: until the last job ended, as reports have it
		s.ImagesPerHour = ledger.ImagesPerHour(ledger.BuildingOf(r.Entries, s.StartedAt.Time))
	}
	return s, nil
}

// count counts the finished jobs: those that were kept of an earlier run have no
// events.
func (s *Status) count(r ledger.Record) {
	s.kept = r.KeptCount()
	s.Kept = s.kept.Jobs()
	var failed []ledger.Entry
	for _, e := range r.Entries {
		switch {
		case e.Status == ledger.Built:
			s.Built++
			continue
		case e.Status == ledger.SkippedDependency:
			s.FailedDependencies.Add(e)
			continue
		case isSkipped(e):
			s.Skipped++
			continue
		}
		failed = append(failed, e)
	}
	s.SkippedDependency = s.FailedDependencies.Jobs()
	s.group(failed)
	s.Unfinished = max(s.Total-len(r.Entries), 0)
}

// group puts the failed jobs together as the run itself does at its end.
func (s *Status) group(failed []ledger.Entry) {
	s.Failed = len(failed)
	jobs := make([]ledger.FailedJob, len(failed))
	for i, e := range failed {
		jobs[i] = ledger.FailedJob{Name: e.Name, Failure: e.Cause(), LogPath: deref(e.LogPath)}
	}
	groups, names := ledger.GroupsWithNames(jobs)
	for i, g := range groups {
		for n := range names[i] {
			names[i][n] = visible.Line(names[i][n])
		}
		s.Failures = append(s.Failures, StatusFailure{
			Reason: reason(g.Common().Reason()), Jobs: names[i], Log: visible.Line(g.LogPath), Failure: g.Failure, group: g,
		})
	}
}

// judge tells in which state the run is, and why.
func (s *Status) judge(r ledger.Record) {
	switch {
	case r.Writing:
		s.State, s.Reason = Running, s.state.stopping
	case r.Summary != nil && s.Unfinished == 0:
		s.State, s.Reason = Finished, reasonOrNone(r.Summary.StopReason)
	case r.Summary != nil:
		s.State, s.Reason = Stopped, reasonOrNone(r.Summary.StopReason)
	case !r.Here:
		s.State, s.Reason = Unknown, "it ran on "+visible.Line(s.Host)+", and can only be seen from there"
	case s.state.stopping != "":
		s.State, s.Reason = Stopped, s.state.stopping+" (its end is not on record)"
	case r.DiskFull:
		s.State, s.Reason = Stopped, "it left no word, and the disk of its record is full: it could not write on"
	default:
		s.State, s.Reason = Killed, "it left no word: it was killed, or the machine went down, or its disk was full"
	}
	if s.State == Finished && s.Failed == 0 || s.State == Running {
		s.ResumeCommand = ""
	}
}

func reasonOrNone(text string) string {
	if text == "" {
		return ""
	}
	return reason(text)
}

// fill takes over what the events tell.
func (s *Status) fill() {
	s.Nodes, s.LostNodes, s.Warnings, s.Reclaimed = s.state.nodes, s.state.lostNodes, s.state.warnings, s.state.swept.bytes
	s.Pulled = s.state.pulledBytes()
	s.ElapsedSeconds = ledger.Thousandths(s.state.elapsed(s.now).Seconds())
	s.ImagesPerHour = ledger.Thousandths(s.state.ImagesPerHour(s.now))
	if left, known := s.state.Left(s.now); known && s.State == Running {
		seconds := ledger.Thousandths(left.Seconds())
		s.LeftSeconds = &seconds
	}
	for _, j := range s.state.running {
		s.Running = append(s.Running, StatusJob{j.name, j.node, j.attempt, j.doing(s.now), ledger.Thousandths(s.now.Sub(j.since).Seconds())})
	}
	if w := s.state.waiting; w != nil {
		s.Waiting = &StatusWaiting{w.name, w.need, ledger.Thousandths(s.now.Sub(w.since).Seconds())}
	}
}

// How much of a status one screen takes.
const (
	statusJobs     = 12
	statusFailures = 5
)

// Text is the status on one screen. No line but the command that goes on is wider
// than width; with a width of 0 none is cut.
func (s Status) Text(width int, color bool) string {
	final := finalText{ledger.Summary{Unfinished: s.Unfinished, ResumeCommand: s.ResumeCommand}, "", width, palette{color}}
	f := frame{palette: palette{color}, State: s.state, now: s.now, width: width}
	if width <= 0 {
		f.width = math.MaxInt
	}
	lines := []string{s.headline(f)}
	if s.Reason != "" {
		lines = append(lines, "  "+f.warn(s.Reason))
	}
	for _, note := range s.Notes {
		lines = append(lines, "  "+f.warn("! ")+note)
	}
	lines = append(lines, s.numbers(f)...)
	lines = append(lines, f.space()...)
	if table := s.table(f, final); len(table) > 0 {
		lines = append(append(lines, f.bold("running")), indented(table)...)
	}
	if s.State == Running {
		for _, w := range s.Warnings {
			lines = append(lines, f.warn("! ")+w)
		}
	}
	lines = append(lines, s.failures(final)...)
	return final.text(lines) + final.goOn()
}

// table lists the jobs that have been running for longest.
func (s Status) table(f frame, final finalText) []string {
	if final.width > 0 {
		f.width -= 2
		return f.table(statusJobs)
	}
	var lines []string
	for _, j := range s.state.running[:min(len(s.state.running), statusJobs)] {
		attempt := ""
		if j.attempt > 1 {
			attempt = f.attempt(j.attempt)
		}
		lines = append(lines, j.name+"  "+attempt+j.doing(s.now)+"  "+whole(s.now.Sub(j.since))+s.state.on(j.node))
	}
	if more := len(s.state.running) - statusJobs; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return lines
}

func (s Status) headline(f frame) string {
	word := map[string]string{Running: f.good(s.State), Finished: f.good(s.State)}[s.State]
	if word == "" {
		word = f.warn(s.State)
	}
	text := f.bold(visible.Line(s.Dir)) + ": " + word
	if s.State == Running {
		text += " for " + whole(s.state.elapsed(s.now))
		if s.PID > 0 {
			text += fmt.Sprintf(" (process %d on %s)", s.PID, visible.Line(s.Host))
		}
		return text
	}
	return text + " after " + short(s.state.elapsed(s.now)) + s.ended()
}

// ended says when a run was last heard of.
func (s Status) ended() string {
	if s.state.latest.IsZero() {
		return ""
	}
	return ", " + s.state.latest.Local().Format("2006-01-02 15:04:05")
}

func (s Status) numbers(f frame) []string {
	parts := []string{fmt.Sprintf("%d of %s done", s.Total-s.Unfinished, plural.Of(s.Total, "job")), totals(s.Built-s.kept.Built, s.Skipped-s.kept.Skipped, s.Failed)}
	if s.Kept > 0 {
		parts = append(parts, keptText(s.Kept))
	}
	if text := s.FailedDependencies.String(); text != "" {
		parts = append(parts, text)
	}
	if s.state.built > 0 {
		parts = append(parts, perHour(s.ImagesPerHour))
	}
	if s.LeftSeconds != nil {
		parts = append(parts, s.state.leftText(s.now))
	}
	if s.State == Running {
		parts = append(parts, f.workersText(diskWasFull))
		if s.state.surveying != "" {
			parts = append(parts, "asking "+s.state.surveying)
		}
	}
	return flow(parts, " · ", f.width)
}

// failures lists the failed jobs by their causes, as the run itself does at its end.
func (s Status) failures(f finalText) []string {
	if s.Failed == 0 {
		return nil
	}
	lines := []string{f.bold(f.bad("failed"))}
	for _, x := range s.Failures[:min(len(s.Failures), statusFailures)] {
		lines = append(lines, f.squeeze(f.heading(x.group)+": "+x.Reason, 0))
		if len(x.Jobs) > 1 {
			lines = append(lines, "    "+strings.Join(x.group.Names(visible.Line), ", "))
		}
		if x.Log != "" {
			lines = append(lines, "    "+f.dim(f.squeeze(x.Log, 4)))
		}
	}
	if more := len(s.Failures) - statusFailures; more > 0 {
		lines = append(lines, "  … and "+plural.Of(more, "more reason"))
	}
	return lines
}

func indented(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = "  " + line
	}
	return out
}
