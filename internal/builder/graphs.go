package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plan"
)

const (
	// How many graphs are asked for at once.
	graphWorkers = 8
	// How long one graph may take: a frontend's image may have to be pulled.
	graphTimeout = 2 * time.Minute
	// How many builds are converted both by their own frontend and in this process,
	// before the latter is trusted with their like.
	samples = 2
)

// Graphs asks the builder what the jobs' builds do, many at a time, and tells
// found of each answer as it comes, from several goroutines; beside a graph, an error
// that is ErrUnreachable says that the build cannot be made now, and a *SilentError that
// the node did not answer. Nothing is run and no layer is pulled: the frontends only say
// what would be done. The error says that the builder could not be asked at all, or, as a
// *SilentError, not to the end: the node that was asked does not answer any more. Another
// may be asked then.
//
// A build without a syntax line is converted in this process by the same frontend
// as in the builder, with base images that the builder resolves. So are those with
// a syntax line, once the first few of their like were asked of their own frontend
// and there was no difference: of the same syntax for docker's own, else of the
// same Dockerfile. Where there is one, their own is asked about all.
func (b *Builder) Graphs(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, g graph.Graph, err error)) error {
	return b.survey(ctx, jobs, nil, func(job *plan.Job, a answer, err error) { found(job, a.graph, err) })
}

// survey asks what jobs' builds do, and with hashes for those, too.
func (b *Builder) survey(ctx context.Context, jobs []*plan.Job, hashes *hashing, found answered) error {
	if len(jobs) == 0 {
		return nil
	}
	for _, alike := range bySession(withoutFetches(jobs, found)) {
		if err := ask(ctx, b, alike, hashes, found); err != nil {
			return err
		}
	}
	return nil
}

// ask asks a builder about jobs that are given the same in its sessions.
func ask(ctx context.Context, b *Builder, jobs []*plan.Job, hashes *hashing, found answered) error {
	asked, ctx, stop := AskOne(ctx, b.Nodes())
	defer stop()
	first := asked.Node.node.Driver
	c, err := first.Client(ctx)
	if err != nil {
		return err
	}
	_, err = c.Build(ctx, client.SolveOpt{Internal: true, Session: b.session(jobs[0]), AllowedEntitlements: Allowed(jobs[0])}, "stoker",
		func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			s := &survey{Client: newConsiderate(c, asked.Answers), images: b.images, around: b.around, preferLocal: first.IsMobyDriver(), likes: map[string]*like{}, hashes: hashes}
			s.askAll(ctx, jobs, found)
			return gateway.NewResult(), nil
		}, nil)
	if silent := asked.Silent(ctx); silent != nil {
		return silent
	}
	return err
}

// session is what a builder may ask of this process while it is asked: registry
// credentials, and what the user gives to all builds.
func (b *Builder) session(job *plan.Job) []session.Attachable {
	return append(slices.Clip(job.Options.Session), b.credentials())
}

// survey is one session in which a builder is asked.
type survey struct {
	gateway.Client
	images *images
	around *surroundings
	// preferLocal says that the builder takes images from its own store first, as
	// docker's own does.
	preferLocal bool
	hashes      *hashing // nil where none are asked for

	// offline says that there is no builder, and so no frontend but that in this process.
	offline bool
	linked  linkedAnswers

	mu    sync.Mutex
	likes map[string]*like
}

// answer is what a frontend says of a build.
type answer struct {
	res   *gateway.Result
	graph graph.Graph
}

// answered is told of the answer about a job.
type answered func(job *plan.Job, a answer, err error)

// askAll asks about jobs, many at a time, and tells found of each answer.
func (s *survey) askAll(ctx context.Context, jobs []*plan.Job, found answered) {
	var group errgroup.Group
	group.SetLimit(graphWorkers)
	for _, job := range jobs {
		group.Go(func() error {
			a, err := s.ask(ctx, job)
			found(job, a, err)
			return nil
		})
	}
	_ = group.Wait()
}

// like is what is known of builds that a frontend turns into graphs as this
// process does, or not.
type like struct {
	mu      sync.Mutex
	same    int // samples for which there was no difference
	differ  bool
	asked   bool
	unasked error // why their frontend cannot be asked; nil where it can
}

// ask returns what a frontend says of one job.
func (s *survey) ask(ctx context.Context, job *plan.Job) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, graphTimeout, fmt.Errorf("the builder did not tell within %s what it would do", graphTimeout))
	defer cancel()
	if job.Base != "" {
		if err := s.images.reachable(job.Base); err != nil {
			return answer{}, err
		}
	}
	q, err := questionOf(job)
	if err == nil {
		err = s.addLinks(ctx, &q)
	}
	if err != nil {
		return answer{}, err
	}
	if s.preferLocal && !job.Options.Pull {
		q.opts["image-resolve-mode"] = pb.AttrImageResolveModePreferLocal
	}
	a, err := s.answer(ctx, q)
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return a, err
}

func (s *survey) answer(ctx context.Context, q question) (answer, error) {
	switch {
	case q.syntax == "", s.offline && ofDocker(q.syntax):
		return s.converted(ctx, q)
	case s.offline:
		return answer{}, fmt.Errorf("only the frontend %s itself can tell, and no builder is there to run it", q.syntax)
	}
	known := s.like(q)
	known.mu.Lock()
	switch {
	case known.differ:
		known.mu.Unlock()
		return s.forwarded(ctx, q)
	case known.same >= samples:
		known.mu.Unlock()
		return s.converted(ctx, q)
	}
	defer known.mu.Unlock() // the others wait for what this sample shows
	if !known.asked {
		known.unasked = s.reach(ctx, q.syntax)
		known.asked = known.unasked == nil || errors.Is(known.unasked, ErrUnreachable)
	}
	if known.unasked != nil {
		return s.instead(ctx, q, known.unasked)
	}
	a, err := s.forwarded(ctx, q)
	if err != nil {
		return s.instead(ctx, q, err)
	}
	if own, err := s.converted(ctx, q); err == nil && equal(a.graph, own.graph) {
		known.same++
	} else {
		known.differ = true
	}
	return a, nil
}

// reach tells whether the builder can have a frontend's image at all, which also an
// answer that there is none is: it would wait for minutes for a registry that does
// not answer.
func (s *survey) reach(ctx context.Context, syntax string) error {
	ref, err := imageref.Parse(syntax)
	if err != nil {
		return nil // the builder will say so
	}
	_, err = s.images.resolve(ctx, s.Client, ref.String(), sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{}})
	if err == nil {
		return nil
	}
	if class, _ := Classify(err); class == Permanent {
		return nil // the frontend that asks will be told so
	}
	return err
}

// instead has the frontend in this process answer where the build's own cannot be
// asked, if that is another version of it. An answer that the build cannot be made
// stands, and it is told when the frontend is out of reach.
func (s *survey) instead(ctx context.Context, q question, err error) (answer, error) {
	if class, _ := Classify(err); class == Permanent || !ofDocker(q.syntax) {
		return answer{}, err
	}
	a, convertErr := s.converted(ctx, q)
	if convertErr == nil && !errors.Is(err, ErrUnreachable) {
		err = nil
	}
	return a, err
}

func (s *survey) like(q question) *like {
	key := q.syntax
	if !ofDocker(q.syntax) {
		key += " " + digest.FromBytes(q.dockerfile).String() + " " + q.opts["target"]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.likes[key] == nil {
		s.likes[key] = &like{}
	}
	return s.likes[key]
}

// ofDocker tells that a syntax is one of docker's own: some version of the
// frontend that is in this process, too.
func ofDocker(syntax string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(syntax, "docker.io/"), ":")
	return name == "docker/dockerfile" || name == "docker/dockerfile-upstream"
}

// equal tells that two graphs have the same vertices and the same hash.
func equal(a, b graph.Graph) bool {
	ids := func(g graph.Graph) map[graph.ID]bool {
		out := map[graph.ID]bool{}
		for _, v := range g.Vertices {
			out[v.ID] = true
		}
		return out
	}
	return a.Hash == b.Hash && maps.Equal(ids(a), ids(b))
}

// converted has the frontend in this process answer.
func (s *survey) converted(ctx context.Context, q question) (answer, error) {
	res, err := q.convert(ctx, s.Client, s.images)
	if err != nil {
		return answer{}, err
	}
	return s.read(ctx, q, res)
}

// itself is what a directory's name stands for in a question: it is the path.
func itself(name, _ string) string { return name }

// forwarded has the builder's frontend answer.
func (s *survey) forwarded(ctx context.Context, q question) (answer, error) {
	states, err := q.states()
	if err != nil {
		return answer{}, err
	}
	req := gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: maps.Clone(q.opts), FrontendInputs: map[string]*pb.Definition{}}
	if syntax := q.opts["build-arg:BUILDKIT_SYNTAX"]; syntax != "" {
		req.Frontend = "gateway.v0"
		req.FrontendOpt["source"], _, _ = strings.Cut(strings.TrimSpace(syntax), " ")
		req.FrontendOpt["cmdline"] = syntax
	}
	for name, state := range states {
		def, err := state.Marshal(ctx)
		if err != nil {
			return answer{}, err
		}
		req.FrontendInputs[name] = def.ToPB()
	}
	res, err := s.Solve(ctx, req)
	if err != nil {
		return answer{}, err
	}
	return s.read(ctx, q, res)
}

// graph reads a frontend's answer: the graphs of all platforms and attestations
// as one.
func (m *images) graph(ctx context.Context, c gateway.Client, res *gateway.Result, mode string, around graph.Surroundings) (graph.Graph, graph.Places, error) {
	var all graph.Graph
	var places graph.Places
	around.Layers = func(s graph.ImageSource) (graph.ImageLayers, bool) {
		m.answers(s.Ref)
		layers, err := m.layers(ctx, c, s, mode)
		return layers, err == nil
	}
	err := eachRef(res, func(ref gateway.Reference) error {
		def, err := definitionOf(ctx, ref)
		if err != nil {
			return err
		}
		parsed, err := graph.ParseDefinition(def)
		if err != nil {
			return err
		}
		g, at := parsed.Graph(around)
		all.Join(g)
		all.Copies = g.Copies
		all.Linked, all.Unlinked = linkedOf(res, g)
		places.Join(at)
		return nil
	})
	return all, places, err
}

func eachRef(res *gateway.Result, do func(gateway.Reference) error) error {
	return res.EachRef(func(ref gateway.Reference) error {
		if ref == nil {
			return nil // FROM scratch and nothing else
		}
		return do(ref)
	})
}
