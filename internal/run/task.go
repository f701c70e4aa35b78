package run

import (
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plan"
)

// task is a job on its way through the run. It is the scheduler's, but while an attempt
// at it runs, or it is put on record: then it is of the goroutine that does that.
type task struct {
	number int // of the job in the plan, in the order of the run
	job    *plan.Job
	known  knowledge
	family
	begun  bool          // it was queued before all jobs were known
	ended  ledger.Status // how, once it is on record; empty before
	early  error         // why it fails before its first attempt; nil if it does not
	tries  tries
	result result
	home   *place // where it is to be built; nil where that is open
	// on are the places where it is built: where it is in line for a worker or has one.
	// The first has its worker.
	on   []*place
	wait node.Wait
}

// done tells that the job is on record.
func (t *task) done() bool { return t.ended != "" }

// wasLeft tells that the job was not on record when the run began to build.
func (t *task) wasLeft() bool { return t.begun || !t.done() }

// isOpen tells that the job is still to be queued.
func (t *task) isOpen() bool { return !t.begun && !t.done() && t.early == nil }

// knowledge is what the builder has told of a job's build.
type knowledge struct {
	images []graph.Image // that it reads
	// demands are what it cannot do without, beside images.
	demands []graph.Demand
	// parts is all that is known of what it does, where several nodes may tell of a
	// platform each; else nil.
	parts *graph.Graph
	// unreached is when the builder could not ask a registry about it; zero where it
	// could.
	unreached time.Time
	// assembly tells how its image may be assembled; nil where byBuilder says why not.
	assembly  *assembly
	byBuilder string
	asked     string // of that, what the job itself asks for
	linked    bool   // it only lays layers upon its base
	copies    bool   // it only copies onto its base, linked or not
	// unpulled are the layers in its graph that are never pulled for it.
	unpulled []graph.ID
	// untold is why it is not known what the job does.
	untold error
}

// tries is what the attempts at a job have come to.
type tries struct {
	attempt     int // the number of the last; the first is 1
	free        int // that do not count
	full        int // ended by a full disk
	lost        int // ended by the loss of the builder
	stepsFailed int // in which a step exited with a code
	healed      int // after which the cache was mended
	noCache     bool
	pauses      backoff.BackOff // between attempts
	phases      ledger.Phases   // where the time of all went
	alone       int64           // bytes that were free for the last, where it started alone
}

// counted is how many attempts count.
func (t *tries) counted() int { return t.attempt - t.free }

// result is what is known of a job's end, as it comes.
type result struct {
	status       ledger.Status
	batch        int
	began, ended time.Time
	checked      check         // whether the registry has the image
	built, after time.Duration // of the last attempt: the build, and the post-build command
	build        builder.Result
	skip         string // why it was skipped, or not; empty for neither
	log          string // of the last attempt
	failure      *ledger.Failure
	reason       error // why it failed; nil while it did not
}

// begin notes when the job was first looked at.
func (t *task) begin() {
	if t.result.began.IsZero() {
		t.result.began = time.Now()
	}
}

// finish notes how a job has ended.
func (t *task) finish(status ledger.Status, reason error) {
	t.result.status, t.result.reason, t.result.ended = status, reason, time.Now()
}

// check is one question to a registry.
type check struct {
	at   time.Time
	took time.Duration
}

// since is how much of it was after a moment: a registry may be asked while the job still
// waits for its turn.
func (c check) since(moment time.Time) time.Duration {
	return min(max(c.at.Add(c.took).Sub(moment), 0), c.took)
}

// entry is the job's line of the manifest.
func (t *task) entry() ledger.Entry {
	r := &t.result
	e := ledger.Entry{
		Time: ledger.Time{Time: r.ended}, Name: t.job.Name, BaseImage: t.job.Base, Images: t.reads(), Tags: t.job.Tags,
		Digest: r.build.Digest, Descriptor: r.build.Descriptor, ConfigDigest: r.build.ConfigDigest,
		Status: r.status, Assembled: r.build.Assembled, Failure: r.failure, Batch: r.batch, Node: r.build.Node, AttemptCount: t.tries.counted(),
		StartedAt: ledger.Time{Time: r.began}, FinishedAt: ledger.Time{Time: r.ended},
		DurationSeconds: journal.Seconds(r.ended.Sub(r.began)), RemoteCheckSeconds: journal.Seconds(r.checked.took),
		BuildSeconds: journal.Seconds(r.built), PostBuildSeconds: journal.Seconds(r.after), Timings: r.build.Timings,
	}
	if t.tries.attempt > 0 {
		e.Phases = new(t.tries.phases)
		e.Phases.Check = journal.Seconds(r.checked.since(r.began))
		e.Phases.Wait = max(0, e.DurationSeconds-e.Phases.Seconds())
		e.Phases.Round()
	}
	if r.status == ledger.Built {
		e.Pushed, e.NotAssembled = new(t.job.Pushes()), t.known.notAssembled(t.job)
	}
	if t.failed != nil {
		e.FailedDependency = t.failed.job.Name
	}
	if r.failure != nil {
		e.ErrorClass = r.failure.Class
	}
	if r.reason != nil {
		e.Error = new(r.reason.Error())
	}
	if r.skip != "" {
		e.SkipReason = &r.skip
	}
	if r.log != "" {
		e.LogPath = &r.log
	}
	return e
}

// reads are the images that a job's build reads, by their tags, where no base image
// was given.
func (t *task) reads() []string {
	if t.job.Base != "" {
		return nil
	}
	var refs []string
	for _, image := range t.known.images {
		ref := image.Ref
		if name, _, _ := strings.Cut(ref, "@"); strings.LastIndex(name, ":") > strings.LastIndex(name, "/") {
			ref = name // a tag
		}
		refs = append(refs, ref)
	}
	return refs
}

// baseName is a name for what a job is built on.
func (t *task) baseName() string {
	if t.job.Base == "" && len(t.known.images) > 0 {
		return t.known.images[0].Ref
	}
	return t.job.Base
}

// sharesBase tells whether two jobs' base images have a layer in common.
func (t *task) sharesBase(other *task) bool {
	for _, a := range t.known.images {
		for _, b := range other.known.images {
			if len(a.Layers) > 0 && len(b.Layers) > 0 && a.Layers[0] == b.Layers[0] {
				return true
			}
		}
	}
	return false
}

// nodes are those on which the job is built.
func (t *task) nodes() []*node.Node {
	nodes := make([]*node.Node, len(t.on))
	for i, p := range t.on {
		nodes[i] = p.node
	}
	return nodes
}

// nodeNames are their names.
func (t *task) nodeNames() []string {
	var names []string
	for _, n := range t.nodes() {
		names = append(names, n.Name())
	}
	return names
}
