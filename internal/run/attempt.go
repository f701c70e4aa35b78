package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/postbuild"
	"github.com/stoker-build/stoker/internal/redact"
)

// attempt is one attempt at a job, and what came of it.
type attempt struct {
	job    *plan.Job
	number int
	on     []string // nodes
	way
	ask  asker
	told teller

	log   io.Writer // set by logged
	alive func()    // set by watched

	path   string        // of the log
	build  time.Duration // how long the build took
	after  time.Duration // and what followed it
	result builder.Result
}

// way is in which way an attempt makes the image.
type way struct {
	noCache bool
	// assembly tells how it may be assembled; nil where it cannot be.
	assembly *assembly
}

// phases is where the attempt's time went.
func (a *attempt) phases() ledger.Phases {
	p := a.result.Phases
	p.Setup += max(0, a.build.Seconds()-p.Seconds())
	p.PostBuild = a.after.Seconds()
	return p
}

// asker asks the nodes of an attempt something.
type asker struct {
	// reach asks again what the job does, where that is not known: a build would wait
	// for a registry that does not answer for minutes.
	reach func(ctx context.Context) error
	// answer tells whether they answer, in bounded time.
	answer func(ctx context.Context) bool
}

// teller is told what a build does, by its goroutine.
type teller struct {
	exporting func()
	graph     func(graph.Graph)
	made      func(cache.Making)
	pulled    func(builder.Pulled)
	found     func(graph.ID)
}

// attempter makes attempts. Each type below adds one concern to the next.
type attempter interface {
	attempt(ctx context.Context, a *attempt) error
}

// building is the innermost: the build itself.
type building struct {
	builder Builder
	traced  func(ctx context.Context, job string, attempt int) context.Context
	redact  *redact.Redactor
	journal *journal.Journal
}

func (b building) attempt(ctx context.Context, a *attempt) error {
	start := time.Now()
	if err := a.ask.reach(ctx); err != nil {
		return redacted(b.redact, err)
	}
	result, err := b.builder.Build(b.traced(ctx, a.job.Name, a.number), a.on, a.job, a.log, builder.Watch{
		NoCache: a.noCache,
		Alive:   a.alive,
		Step: func(step string) {
			if strings.HasPrefix(step, "exporting ") {
				a.told.exporting()
			}
			b.journal.Tell(journal.StepStarted{Job: a.job.Name, Step: b.redact.String(step)})
		},
		Graph:  a.told.graph,
		Made:   a.told.made,
		Pulled: a.told.pulled,
		Found:  a.told.found,
	})
	a.build, a.result = time.Since(start), result
	return redacted(b.redact, err)
}

// redactedError is an error whose text is fit for the record.
type redactedError struct {
	error
	text string
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.error }

func redacted(r *redact.Redactor, err error) error {
	if err == nil {
		return nil
	}
	return &redactedError{err, r.String(err.Error())}
}

// unredacted is an error as the builder told it, of which the class can be told.
func unredacted(err error) error {
	if redacted, is := errors.AsType[*redactedError](err); is {
		return redacted.error
	}
	return err
}

// hooked runs the user's command after a build. It finds the image in its environment;
// its output goes to the attempt's log.
type hooked struct {
	next    attempter
	command string
}

func (h hooked) attempt(ctx context.Context, a *attempt) error {
	if err := h.next.attempt(ctx, a); err != nil || h.command == "" {
		return err
	}
	start := time.Now()
	defer func() { a.after = time.Since(start) }()
	fmt.Fprintf(a.log, "\n--post-build %s\n", h.command)
	return postbuild.Command{Line: h.command}.Run(ctx, imageEnv(a), a.log, a.alive)
}

func imageEnv(a *attempt) []string {
	first := ""
	if len(a.job.Tags) > 0 {
		first = a.job.Tags[0]
	}
	return []string{
		"STOKER_IMAGE_NAME=" + a.job.Name,
		"STOKER_IMAGE_TAG=" + first,
		"STOKER_IMAGE_TAGS=" + strings.Join(a.job.Tags, " "),
		"STOKER_IMAGE_DIGEST=" + a.result.Digest,
		"STOKER_IMAGE_BASE=" + a.job.Base,
	}
}

// logged gives each attempt its log.
type logged struct {
	next    attempter
	ledger  *ledger.Ledger
	redact  *redact.Redactor
	journal *journal.Journal
}

func (l logged) attempt(ctx context.Context, a *attempt) error {
	log, err := l.ledger.CreateLog(a.job.Name, a.number)
	if err != nil {
		return fmt.Errorf("the attempt's log cannot be made: %w", err)
	}
	defer log.Close()
	clean := l.redact.Writer(log)
	defer clean.Close()
	a.log, a.path = clean, log.Name()
	l.journal.Tell(journal.AttemptStarted{Job: a.job.Name, Attempt: a.number, Log: a.path})
	err = l.next.attempt(ctx, a)
	if err != nil {
		fmt.Fprintf(clean, "\nERROR: %s\n", err)
	}
	return err
}

// pauses are those between a job's attempts.
func (o AttemptOptions) pauses() backoff.BackOff {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = o.RetryDelay, o.RetryDelayMax, 2
	return pauses
}
