package run

import (
	"context"
	"io"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/autolink"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/redact"
)

// Builder builds jobs. Its methods may be called concurrently.
type Builder interface {
	// Build makes one attempt at a job on some nodes, by their names, and writes its
	// progress to log.
	Build(ctx context.Context, on []string, job *plan.Job, log io.Writer, watch builder.Watch) (builder.Result, error)
	// DropPushed removes the images that a job's build left beside the cache only
	// to be pushed. It is called once the job is on record as built, and before
	// what it needed may be swept. It ends in time by itself.
	DropPushed(ctx context.Context, job *plan.Job) error
}

// Graphs tells what builds will do.
type Graphs interface {
	// Graphs tells found what each job's build does, from several goroutines.
	Graphs(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, g graph.Graph, err error)) error
}

// Node is one daemon of the builder.
type Node interface {
	node.Daemon
	// Platforms are those that it builds for, the one of its machine first.
	Platforms() []ocispecs.Platform
}

// Late is a node of the builder that does not answer yet.
type Late interface {
	Name() string
	// Why is why it did not answer.
	Why() string
	// Await returns it once it answers. The error is the cause of ctx's end, or says why
	// it can have no part.
	Await(ctx context.Context) (Node, error)
}

// Registry tells which tags exist already. An error means that it did not say.
type Registry interface {
	Exists(ctx context.Context, tag string) (digest string, exists bool, err error)
}

// AttemptOptions say how often and how long a job is tried.
type AttemptOptions struct {
	// Retries is how many attempts a job gets after its first.
	Retries int
	// RetriesStep is how many of these may follow a step that exited with a code.
	RetriesStep int
	// RetryDelay is the pause before a job's second attempt; each further pause
	// is twice as long, up to RetryDelayMax, with jitter.
	RetryDelay, RetryDelayMax time.Duration
	// Timeout bounds one attempt; 0 does not.
	Timeout time.Duration
	// StallTimeout bounds how long an attempt may make no progress; 0 does not.
	StallTimeout time.Duration
	// PostBuild is a shell command that runs after each built image; empty for
	// none.
	PostBuild string
}

// ResumeOptions say which earlier run is gone on with, and how to go on with this one.
type ResumeOptions struct {
	// Kept are the entries of an earlier run that still hold: their jobs are done, and
	// in the ledger.
	Kept []ledger.Entry
	// Again are names of jobs that an earlier run has begun and not finished as it
	// should: that their tags exist does not mean that they are done.
	Again []string
	// CutShort are names of jobs that an earlier run has begun and not ended: where their
	// tags exist, it has pushed them, most likely.
	CutShort []string
	// Command goes on with the run where it fails or stops; for the record, without what
	// is known to be secret by the time it is asked for. Nil for none.
	Command func() string
}

// Options say how a plan is run.
//
// Large: a field for each thing that can be said of a run, most of them flags.
type Options struct {
	Plan *plan.Plan
	// Warnings are what a person should know from the start.
	Warnings []string
	Builder  Builder
	// Graphs tells what the builds will do; nil where nobody can.
	Graphs Graphs
	// Link changes the Dockerfiles of jobs that are to be built, so that steps are linked
	// where that makes the same, before it is asked what they do; nil for not at all.
	Link func(ctx context.Context, jobs []*plan.Job) []autolink.Step
	// BuilderName is what a person calls it: its name in buildx, or its address.
	BuilderName string
	Nodes       []Node
	// Late are nodes that are taken in when they answer.
	Late   []Late
	Ledger *ledger.Ledger
	// Journal is told what happens. Secrets are taken out of it.
	Journal *journal.Journal
	// Traced returns the context for the build of a job's attempt, by which a trace knows
	// it; nil for ctx itself.
	Traced func(ctx context.Context, job string, attempt int) context.Context
	// Redact takes secrets out of all that is logged, told or kept on record.
	Redact *redact.Redactor

	// Workers is the number of jobs that run at once on each node.
	Workers int
	AttemptOptions
	// MaxFailures ends the run when more jobs have failed; negative does not.
	MaxFailures int
	// FailFast ends the run at the first failed job.
	FailFast   bool
	Registries RegistryOptions
	// Assemble says which images are assembled in their registries.
	Assemble AssembleOptions
	Resume   ResumeOptions
	// Compressing, when set, tries at the end what compressing otherwise would have taken.
	Compressing func(ctx context.Context, jobs []*plan.Job, done []ledger.Entry) *ledger.Compressing
	// Attributions are kept for later runs; nil for not at all.
	Attributions node.Attributions
	// Recovery gives turns at mending the builder; nil to mend nothing.
	Recovery *recovery.Turns
	// Prune says how the caches are swept.
	Prune node.PruneOptions
	// Space bounds what may be used.
	Space node.SpaceOptions
	// DiskOf tells of the file system that holds a path; builder.DiskOf when nil.
	DiskOf func(path string) (builder.Disk, error)
	// Order says in which order the jobs are built.
	Order Order
	// PullAhead has nodes pull what the next jobs need while others are built.
	PullAhead bool
	// Took is how many seconds jobs took in earlier runs, by their names.
	Took map[string]float64
}
