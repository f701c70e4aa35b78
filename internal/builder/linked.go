package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/confutil"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/identity"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// linkedContext is how a named context begins that is another job's result.
const linkedContext = "target:"

// linkedAnswers are what frontends say of jobs that others are built on, each asked once.
type linkedAnswers struct {
	mu    sync.Mutex
	known map[*plan.Job]*linkedAnswer
}

type linkedAnswer struct {
	once sync.Once
	answer
	err error
}

// of returns the answer about a job, for which ask is called once.
func (l *linkedAnswers) of(job *plan.Job, ask func() (answer, error)) (answer, error) {
	l.mu.Lock()
	if l.known == nil {
		l.known = map[*plan.Job]*linkedAnswer{}
	}
	if l.known[job] == nil {
		l.known[job] = &linkedAnswer{}
	}
	a := l.known[job]
	l.mu.Unlock()
	a.once.Do(func() { a.answer, a.err = ask() })
	return a.answer, a.err
}

// LinkedError says why it cannot be told what a job does: since that cannot be told of
// another, on whose result it is built.
type LinkedError struct {
	Target string // what the job calls the other
	Err    error
}

func (e *LinkedError) Error() string { return e.Target + ", on which it is built: " + e.Err.Error() }
func (e *LinkedError) Unwrap() error { return e.Err }

// addLinks gives a question what its job is built on in the same build, as buildx gives
// it to the frontend (waitContextDeps in its build/build.go).
func (s *survey) addLinks(ctx context.Context, q *question) error {
	for name, c := range q.job.Options.Inputs.NamedContexts {
		linked, is := strings.CutPrefix(c.Path, linkedContext)
		if !is {
			continue
		}
		job := q.job.Links[linked]
		if job == nil {
			return fmt.Errorf("the context %s is the result of %s, which is not there", name, linked)
		}
		a, err := s.linked.of(job, func() (answer, error) { return s.ask(ctx, job) })
		if err == nil {
			err = q.addLink(name, c.Path, a.res)
		}
		if err != nil {
			return &LinkedError{linked, err}
		}
	}
	return nil
}

// addLink makes a result the named context of a question, for each platform that the
// result has; input is what it is called among the frontend's inputs.
func (q *question) addLink(name, input string, res *gateway.Result) error {
	if len(res.Refs) == 0 {
		return q.addLinkedState("context:"+name, input, res.Ref, res.Metadata[exptypes.ExporterImageConfigKey])
	}
	for platform, ref := range res.Refs {
		config := res.Metadata[exptypes.ExporterImageConfigKey+"/"+platform]
		if err := q.addLinkedState("context:"+name+"::"+platform, input+"::"+platform, ref, config); err != nil {
			return err
		}
	}
	return nil
}

func (q *question) addLinkedState(option, input string, ref gateway.Reference, config []byte) (err error) {
	state := llb.Scratch()
	if ref != nil {
		if state, err = ref.ToState(); err != nil {
			return err
		}
	}
	if q.linked == nil {
		q.linked = map[string]llb.State{}
	}
	q.linked[input] = state
	q.opts[option] = "input:" + input
	if len(config) == 0 {
		return nil
	}
	metadata, err := json.Marshal(map[string][]byte{exptypes.ExporterImageConfigKey: config})
	q.opts["input-metadata:"+input] = string(metadata)
	return err
}

// part is one of the targets that a build consists of: the job itself, or one on whose
// result it is built.
type part struct {
	job     *plan.Job
	options build.Options
}

// partsOf returns the parts of a job's build by the names that buildx gets for them.
func partsOf(b *Builder, job *plan.Job, noCache bool) map[string]part {
	parts := map[string]part{}
	addPart(b, parts, target, job, noCache)
	return parts
}

// addPart adds a job, and all on which it is built. These are made for it alone: they are
// written nowhere. Where they are to be made without the cache, that is so in each build:
// in the cache may be what an earlier run has made, and BuildKit does not tell which it takes.
func addPart(b *Builder, parts map[string]part, name string, job *plan.Job, noCache bool) {
	o := job.BuildOptions()
	o.CallFunc = nil
	if name != target {
		o.Exports, o.CacheTo = nil, nil
	}
	o.NoCache = o.NoCache || noCache
	// Nobody reads the provenance here. And a build that was asked about by its
	// reference cannot be forgotten: BuildKit (v0.34) counts whoever listens for it,
	// and takes a count of none for somebody (delete in its
	// solver/llbsolver/history).
	o.ProvenanceResponseMode = confutil.MetadataProvenanceModeDisabled
	o.Ref = identity.NewID()
	for context, c := range o.Inputs.NamedContexts {
		linked, is := strings.CutPrefix(c.Path, linkedContext)
		if !is || job.Links[linked] == nil {
			continue
		}
		c.Path = linkedContext + partName(linked)
		o.Inputs.NamedContexts[context] = c
		if _, added := parts[partName(linked)]; !added {
			addPart(b, parts, partName(linked), job.Links[linked], noCache)
		}
	}
	parts[name] = part{job, b.options(o)}
}

// partName is what buildx calls what a job is built on: another than the job itself, which
// no target of a bake file can be called.
func partName(linked string) string {
	if linked == target {
		return target + "."
	}
	return linked
}

// ofOwn takes the name that the job itself has for buildx off an error, which buildx puts
// there where it builds several. Those of what it is built on stay.
func ofOwn(err error) error {
	for strings.HasPrefix(err.Error(), "target "+target+": ") && errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

// evaluation is what is done with the answers of a build's frontends.
type evaluation struct {
	builder  *Builder
	parts    map[string]part
	watch    Watch
	progress *progress
	export   *export

	mu      sync.Mutex      // of a build for several platforms each of several nodes answers
	workers map[string]bool // that build
	dirs    sentDirs
	moved   bool // a base image is not the one for which steps were linked
}

// evaluate tells what a part of the build will do. Where there are several its steps are
// done then: buildx takes them in the order in which they are built on each other.
func (e *evaluation) evaluate(ctx context.Context, name string, c gateway.Client, res *gateway.Result, _ build.Options) error {
	if err := e.tell(ctx, name, c, res); err != nil {
		return err
	}
	if len(e.parts) > 1 {
		if err := evaluateAll(ctx, res); err != nil {
			return err
		}
	}
	if name != target {
		return nil
	}
	return e.export.begin(ctx, res)
}

func (e *evaluation) tell(ctx context.Context, name string, c gateway.Client, res *gateway.Result) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range c.BuildOpts().Workers {
		e.workers[w.ID] = true
	}
	job := e.parts[name].job
	e.dirs.add(c.BuildOpts(), localDirs(job.Options.Inputs))
	around, tell := e.builder.around.of(job, e.dirs.of), e.watch.Graph
	if name != target {
		// The job's own graph has these steps, too. What is sent for them has
		// other names in the progress.
		around.Sent, tell = nil, func(graph.Graph) {}
	}
	err := e.builder.tellGraph(ctx, c, res, around, job.Proved.Holds, tell, e.progress)
	e.moved = e.moved || err != nil
	return err
}

// evaluateAll has all steps of a result done.
func evaluateAll(ctx context.Context, res *gateway.Result) error {
	group, ctx := errgroup.WithContext(ctx)
	_ = eachRef(res, func(ref gateway.Reference) error {
		group.Go(func() error { return ref.Evaluate(ctx) })
		return nil
	})
	return group.Wait()
}

// sentDirs tell what the names of directories stand for in the sessions of a build that
// has several, of which each calls its own context "context".
type sentDirs struct {
	sessions map[string]func(name string) string
	shared   map[sharedDir]string
	own      func(name string) string // of the part that was added last
}

// sharedDir is a directory in a session that several parts of a build share.
type sharedDir struct{ session, name string }

// How buildx says that a directory is in a session that is shared.
const sharedSession = "local-sessionid:"

// add notes what the names are in the session of a part, and in those that it shares.
func (d *sentDirs) add(opts gateway.BuildOpts, local func(name string) string) {
	if d.sessions == nil {
		d.sessions, d.shared = map[string]func(string) string{}, map[sharedDir]string{}
	}
	d.sessions[opts.SessionID], d.own = local, local
	for option, session := range opts.Opts {
		if name, is := strings.CutPrefix(option, sharedSession); is {
			d.shared[sharedDir{session, name}] = local(name)
		}
	}
}

// of returns what a name stands for in a session.
func (d *sentDirs) of(name, session string) string {
	if dir, known := d.shared[sharedDir{session, name}]; known {
		return dir
	}
	if local := d.sessions[session]; local != nil {
		return local(name)
	}
	return d.own(name)
}
