package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/stoker-build/stoker/internal/annotate"
	"github.com/stoker-build/stoker/internal/show"
)

// onGitHub tells that a step of GitHub Actions runs this program.
func onGitHub() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// guarded are the streams of which GitHub reads no workflow commands but Stoker's own: builds
// print what they like, and much of it is quoted.
func (s Streams) guarded() Streams {
	if onGitHub() {
		s.Out, s.Err = guardedLog(s.Out), guardedLog(s.Err)
	}
	return s
}

// guardedLog is a stream that GitHub may read. It does not read files, nor what a terminal shows.
func guardedLog(w io.Writer) io.Writer {
	if f, is := w.(*os.File); is {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() || show.IsTerminal(f) {
			return w
		}
	}
	return annotate.Guard(w)
}

// writeAnnotations writes the workflow commands by which GitHub shows what is reported.
func writeAnnotations(r reported, w io.Writer) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	workspace := os.Getenv("GITHUB_WORKSPACE")
	if workspace == "" {
		workspace = dir
	}
	return annotate.Print(w, annotate.Commands(r.Annotations(), workspace, dir)...)
}

// largestStepSummary is what GitHub takes from a step: of a larger file it shows nothing.
const largestStepSummary = 1 << 20

// appendStepSummary adds a summary to the page of a GitHub job.
func appendStepSummary(markdown string) (err error) {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
		}
	}()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size()+int64(len(markdown)) > largestStepSummary {
		return errors.New("the step has no room left in it, of 1MiB")
	}
	_, err = f.WriteString(markdown)
	return err
}
