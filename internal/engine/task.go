package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/postbuild"
)

// task is a job on its way through the run, with the manifest line that grows
// as it goes.
type task struct {
	index  int // of the job in the plan, in the order of the run
	job    *plan.Job
	images []graph.Image // that its build reads, as far as is known
	after  []*task       // whose images it is built on
	// parts is all that is known of what its build does, where several nodes may tell
	// of a platform each; else nil.
	parts *graph.Graph
	// unreached is when the builder could not ask a registry about it; zero where it
	// could.
	unreached time.Time
	entry     ledger.Entry
	begun     bool  // it was queued before all jobs were known
	done      bool  // it is on the record
	early     error // why it fails before its first attempt; nil if it does not

	attempt int       // the first is 1
	log     io.Writer // of the running attempt
	free    int       // attempts that do not count
	full    int       // how often a full disk ended an attempt
	had     int64     // bytes that were free for it when it last started, where it started alone
	lost    int       // how often it lost its builder
	// stepsFailed is how often a step of it has exited with a code.
	stepsFailed int
	healed      int   // how often the cache was mended for it
	noCache     bool  // the next attempt must not use the cache
	outOfSpace  bool  // a full disk ended the last attempt
	failed      error // a better explanation of its last failure
}

// reads are the images that a job's build reads, by their tags, where no base image
// was given.
func (t *task) reads() []string {
	if t.job.Base != "" {
		return nil
	}
	var refs []string
	for _, image := range t.images {
		ref := image.Ref
		if name, _, _ := strings.Cut(ref, "@"); strings.LastIndex(name, ":") > strings.LastIndex(name, "/") {
			ref = name // a tag
		}
		refs = append(refs, ref)
	}
	return refs
}

func (t *task) begin() {
	if t.entry.StartedAt.IsZero() {
		t.entry.StartedAt = ledger.Time{Time: time.Now()}
	}
}

// end completes the manifest line.
func (t *task) end(err error) {
	now := time.Now()
	t.entry.Time = ledger.Time{Time: now}
	t.entry.FinishedAt = t.entry.Time
	t.entry.DurationSeconds = seconds(now.Sub(t.entry.StartedAt.Time))
	t.entry.Status = ledger.Built
	if err != nil {
		t.entry.Status = ledger.Failed
		message := err.Error()
		t.entry.Error = &message
	}
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// buildFunc does something about a task's build. Each wrapper below adds one
// concern to the next.
type buildFunc func(ctx context.Context, t *task) error

// buildOnce is the innermost buildFunc: the build itself.
func (r *run) buildOnce(ctx context.Context, t *task) error {
	start := time.Now()
	ctx, alive, stop := watchStall(ctx, r.StallTimeout)
	defer stop()
	if err := r.reach(ctx, t); err != nil {
		return r.redacted(err)
	}
	result, err := r.Builder.Build(ctx, t.job, t.log, builder.Watch{
		NoCache: t.noCache,
		Alive:   alive,
		Step: func(step string) {
			if strings.HasPrefix(step, "exporting ") {
				r.room.exporting(t)
			}
			r.Journal.Tell(journal.StepStarted{Job: t.job.Name, Step: r.Redact.String(step)})
		},
		Graph: func(g graph.Graph) {
			r.learnGraph(t, g)
			r.answered(t)
		},
		Made: r.made,
	})
	if cause := context.Cause(ctx); err != nil && errors.As(cause, new(*stallError)) {
		err = cause
	}
	t.entry.BuildSeconds = seconds(time.Since(start))
	t.entry.Timings = result.Timings
	t.entry.Node = result.Node
	t.entry.Digest, t.entry.Descriptor, t.entry.ConfigDigest = result.Digest, result.Descriptor, result.ConfigDigest
	return r.redacted(err)
}

// redactedError is an error whose text is fit for the record.
type redactedError struct {
	error
	text string
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.error }

func (r *run) redacted(err error) error {
	if err == nil {
		return nil
	}
	return &redactedError{err, r.Redact.String(err.Error())}
}

// unredacted is an error as the builder told it, of which the class can be told.
func unredacted(err error) error {
	if redacted, is := errors.AsType[*redactedError](err); is {
		return redacted.error
	}
	return err
}

// redactedFailure is a failure that is fit for the record.
func (r *run) redactedFailure(f ledger.Failure) *ledger.Failure {
	for _, text := range []*string{&f.Step, &f.File, &f.Message} {
		*text = r.Redact.String(*text)
	}
	for i := range f.Output {
		f.Output[i] = r.Redact.String(f.Output[i])
	}
	return &f
}

// postBuild runs the user's command after a build. It finds the image in its
// environment; its output goes to the attempt's log.
func (r *run) postBuild(next buildFunc) buildFunc {
	if r.PostBuild == "" {
		return next
	}
	return func(ctx context.Context, t *task) error {
		if err := next(ctx, t); err != nil {
			return err
		}
		start := time.Now()
		defer func() { t.entry.PostBuildSeconds = seconds(time.Since(start)) }()
		fmt.Fprintf(t.log, "\n--post-build %s\n", r.PostBuild)
		ctx, alive, stop := watchStall(ctx, r.StallTimeout)
		defer stop()
		return postbuild.Command{Line: r.PostBuild}.Run(ctx, imageEnv(t), t.log, alive)
	}
}

func imageEnv(t *task) []string {
	first := ""
	if len(t.job.Tags) > 0 {
		first = t.job.Tags[0]
	}
	return []string{
		"STOKER_IMAGE_NAME=" + t.job.Name,
		"STOKER_IMAGE_TAG=" + first,
		"STOKER_IMAGE_TAGS=" + strings.Join(t.job.Tags, " "),
		"STOKER_IMAGE_DIGEST=" + t.entry.Digest,
		"STOKER_IMAGE_BASE=" + t.job.Base,
	}
}

// timeout bounds an attempt.
func (r *run) timeout(next buildFunc) buildFunc {
	if r.Timeout <= 0 {
		return next
	}
	return func(ctx context.Context, t *task) error {
		limit := &timeoutError{t.attempt, r.Timeout}
		ctx, cancel := context.WithTimeoutCause(ctx, r.Timeout, limit)
		defer cancel()
		err := next(ctx, t)
		if err != nil && errors.Is(context.Cause(ctx), limit) {
			return limit
		}
		return err
	}
}

// logged gives each attempt its log.
func (r *run) logged(next buildFunc) buildFunc {
	return func(ctx context.Context, t *task) error {
		log, err := r.Ledger.CreateLog(t.job.Name, t.attempt)
		if err != nil {
			return fmt.Errorf("the attempt's log cannot be made: %w", err)
		}
		defer log.Close()
		path := log.Name()
		clean := r.Redact.Writer(log)
		defer clean.Close()
		t.log, t.entry.LogPath = clean, &path
		r.Journal.Tell(journal.AttemptStarted{Job: t.job.Name, Attempt: t.attempt, Log: path})
		err = next(ctx, t)
		if err != nil {
			fmt.Fprintf(clean, "\nERROR: %s\n", err)
		}
		return err
	}
}
