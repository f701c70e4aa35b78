package run

import (
	"context"
	"errors"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/throttle"
)

// failed is a failed attempt, with what it means.
type failed struct {
	cause error
	class builder.Class
	// failure is fit for the record, and err an error that says so.
	failure *ledger.Failure
	err     error
	// throttled is the state of the registry that has refused the job; nil where none
	// has, or where it is not known which.
	throttled *throttle.State
}

// broke tells whether a full disk or a lost builder has left the cache broken.
func (f failed) broke() bool {
	class, _ := builder.Classify(unredacted(f.cause))
	return class == builder.BrokenCache
}

// diagnose finds out why an attempt at a task failed.
func (r *run) diagnose(ctx context.Context, t *task, cause error) failed {
	class, why := r.classify(ctx, t.nodes(), cause)
	failure := explain(r.Redact, t, cause, class, why)
	return failed{cause: cause, class: class, failure: failure, err: &explainedError{cause, failure.String()}}
}

// explain says why an attempt failed, fit for the record.
func explain(r *redact.Redactor, t *task, cause error, class builder.Class, why string) *ledger.Failure {
	f := builder.ReasonOf(t.job, cause)
	if f.Class != string(class) || why != "" {
		f.Class, f.Why = string(class), why
	}
	return redactedFailure(r, f)
}

func redactedFailure(r *redact.Redactor, f ledger.Failure) *ledger.Failure {
	for _, text := range []*string{&f.Step, &f.File, &f.Message, &f.Image} {
		*text = r.String(*text)
	}
	for i := range f.Output {
		f.Output[i] = r.String(f.Output[i])
	}
	return &f
}

// explainedError is an error with its reason first, and fit for the record.
type explainedError struct {
	error
	text string
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.error }

// classify tells what a failed attempt means. A full disk and a lost builder may show as
// any failure, so both are looked at themselves; both may leave the cache broken for a
// while.
func (r *run) classify(ctx context.Context, on []*node.Node, err error) (builder.Class, string) {
	var stall *stallError
	var limit *timeoutError
	var silent *builder.SilentError
	switch {
	case errors.As(err, &silent):
		return builder.BuilderLost, "the builder does not answer"
	case errors.As(err, &stall), errors.As(err, &limit):
		if !allAnswer(ctx, on) {
			return builder.BuilderLost, "the builder does not answer"
		}
		if stall != nil {
			return standsStill(on)
		}
		return builder.TimedOut, ""
	case errors.Is(err, context.Canceled):
		return builder.Cancelled, ""
	case errors.As(err, new(*unfitError)):
		return builder.Permanent, ""
	}
	class, why := builder.Classify(unredacted(err))
	if filledDisk(ctx, on, class, err) {
		class, why = builder.NoSpace, "the builder's disk is full"
	}
	switch {
	case class == builder.Transient && !allAnswer(ctx, on):
		class, why = builder.BuilderLost, "the builder does not answer"
	case class == builder.BrokenCache && anyOf(on, (*node.Node).WasLost):
		class, why = builder.BuilderLost, "the builder left its cache broken"
	}
	if class == builder.NoSpace {
		for _, n := range on {
			n.NoteFull()
		}
		if r.Prune.Policy == node.PruneOff {
			class = builder.Transient // nothing may be removed to mend it
		}
	}
	return class, why
}

// standsStill tells what it means that an attempt has made no progress on nodes that answer.
func standsStill(on []*node.Node) (builder.Class, string) {
	for _, n := range on {
		switch full, ended := n.EndStuck(); {
		case ended:
			return builder.BuilderLost, "the builder's disk was full, since when it may wait for ever for a layer: it is started anew"
		case full:
			return builder.TimedOut, "the builder's disk was full, since when it may wait for ever for a layer: start it anew if this goes on"
		}
	}
	return builder.TimedOut, ""
}

// filledDisk tells whether a full disk is behind a failure of a class.
func filledDisk(ctx context.Context, on []*node.Node, class builder.Class, err error) bool {
	switch class {
	case builder.Transient, builder.StepFailed, builder.BrokenCache, builder.BuilderLost:
	default:
		return false
	}
	if class == builder.BrokenCache && anyOf(on, (*node.Node).WasFull) {
		return true
	}
	if builder.OfRegistry(unredacted(err)) {
		return false
	}
	said := builder.SaysDiskFull(err)
	return anyOf(on, func(n *node.Node) bool { return n.DiskIsFull(ctx, said) })
}

func allAnswer(ctx context.Context, on []*node.Node) bool {
	return !anyOf(on, func(n *node.Node) bool { return !n.Answers(ctx) })
}

func anyOf(on []*node.Node, is func(*node.Node) bool) bool {
	for _, n := range on {
		if is(n) {
			return true
		}
	}
	return false
}

// tellsOfOthers tells that jobs that do the same will fail in the same way.
func tellsOfOthers(f ledger.Failure) bool {
	return f.Class == string(builder.Permanent) || f.Class == string(builder.StepFailed)
}
