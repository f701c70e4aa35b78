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
	// How many remote contexts are fetched for the Dockerfiles in them.
	mostFetched = 8
)

// Graphs asks the builder what the jobs' builds do, many at a time, and tells
// found of each answer as it comes, from several goroutines; beside a graph, an error
// that is ErrUnreachable says that the build cannot be made now. Nothing is run and
// no layer is pulled: the frontends only say what would be done. The error says
// that the builder could not be asked at all, or, as a *SilentError, not to the end: the
// node that was asked does not answer any more. Another may be asked then.
//
// A build without a syntax line is converted in this process by the same frontend
// as in the builder, with base images that the builder resolves. So are those with
// a syntax line, once the first few of their like were asked of their own frontend
// and there was no difference: of the same syntax for docker's own, else of the
// same Dockerfile. Where there is one, their own is asked about all.
func (b *Builder) Graphs(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, g graph.Graph, err error)) error {
	if len(jobs) == 0 {
		return nil
	}
	asked := firstThatAnswers(ctx, b.Nodes())
	first := asked.node.Driver
	ctx, stop := Attend(ctx, func(ctx context.Context) bool { return asked.Answers(ctx) == nil })
	defer stop()
	c, err := first.Client(ctx)
	if err != nil {
		return err
	}
	b.around.note(jobs)
	jobs = withoutFetches(jobs, found)
	_, err = c.Build(ctx, client.SolveOpt{Internal: true, Session: b.session(jobs[0]), AllowedEntitlements: jobs[0].Options.Allow}, "stoker",
		func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			s := &survey{Client: newConsiderate(c), images: b.images, around: b.around, preferLocal: first.IsMobyDriver(), likes: map[string]*like{}}
			var group errgroup.Group
			group.SetLimit(graphWorkers)
			for _, job := range jobs {
				group.Go(func() error {
					g, err := s.ask(ctx, job)
					found(job, g, err)
					return nil
				})
			}
			_ = group.Wait()
			return gateway.NewResult(), nil
		}, nil)
	if silent := (*SilentError)(nil); errors.As(context.Cause(ctx), &silent) {
		return silent
	}
	return err
}

// firstThatAnswers is the node that is asked what builds do; where none does, the last.
func firstThatAnswers(ctx context.Context, nodes []*Node) *Node {
	for _, n := range nodes[:len(nodes)-1] {
		if n.Answers(ctx) == nil {
			return n
		}
	}
	return nodes[len(nodes)-1]
}

// withoutFetches returns the jobs without those for which a builder would have to
// fetch more than a few remote contexts, to find their Dockerfiles: hundreds of
// repositories could fill its disk before anything is built. It tells found of these.
func withoutFetches(jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) []*plan.Job {
	fetched := map[string]bool{}
	var out []*plan.Job
	for _, job := range jobs {
		if context := job.Options.Inputs.ContextPath; job.Source.Dockerfile() == nil && !fetched[context] {
			if len(fetched) == mostFetched {
				found(job, graph.Graph{}, fmt.Errorf("its Dockerfile is in a remote context; of these only %d are fetched beforehand", mostFetched))
				continue
			}
			fetched[context] = true
		}
		out = append(out, job)
	}
	return out
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

	mu    sync.Mutex
	likes map[string]*like
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

// ask returns the graph of one job.
func (s *survey) ask(ctx context.Context, job *plan.Job) (graph.Graph, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, graphTimeout, fmt.Errorf("the builder did not tell within %s what it would do", graphTimeout))
	defer cancel()
	if job.Base != "" {
		if err := s.images.reachable(job.Base); err != nil {
			return graph.Graph{}, err
		}
	}
	q, err := questionOf(job)
	if err != nil {
		return graph.Graph{}, err
	}
	if s.preferLocal && !job.Options.Pull {
		q.opts["image-resolve-mode"] = pb.AttrImageResolveModePreferLocal
	}
	g, err := s.answer(ctx, q)
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return g, err
}

func (s *survey) answer(ctx context.Context, q question) (graph.Graph, error) {
	if q.syntax == "" {
		return s.converted(ctx, q)
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
	g, err := s.forwarded(ctx, q)
	if err != nil {
		return s.instead(ctx, q, err)
	}
	if own, err := s.converted(ctx, q); err == nil && equal(g, own) {
		known.same++
	} else {
		known.differ = true
	}
	return g, nil
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
func (s *survey) instead(ctx context.Context, q question, err error) (graph.Graph, error) {
	if class, _ := Classify(err); class == Permanent || !ofDocker(q.syntax) {
		return graph.Graph{}, err
	}
	g, convertErr := s.converted(ctx, q)
	if convertErr == nil && !errors.Is(err, ErrUnreachable) {
		err = nil
	}
	return g, err
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

// equal tells that two graphs have the same vertices.
func equal(a, b graph.Graph) bool {
	ids := func(g graph.Graph) map[graph.ID]bool {
		out := map[graph.ID]bool{}
		for _, v := range g.Vertices {
			out[v.ID] = true
		}
		return out
	}
	return maps.Equal(ids(a), ids(b))
}

// converted has the frontend in this process answer.
func (s *survey) converted(ctx context.Context, q question) (graph.Graph, error) {
	res, err := q.convert(ctx, s.Client, s.images)
	if err != nil {
		return graph.Graph{}, err
	}
	g, _, err := s.images.graph(ctx, s.Client, res, q.opts["image-resolve-mode"], s.around.of(q.job, itself))
	return g, err
}

// itself is what a directory's name stands for in a question: it is the path.
func itself(name string) string { return name }

// forwarded has the builder's frontend answer.
func (s *survey) forwarded(ctx context.Context, q question) (graph.Graph, error) {
	states, err := q.states()
	if err != nil {
		return graph.Graph{}, err
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
			return graph.Graph{}, err
		}
		req.FrontendInputs[name] = def.ToPB()
	}
	res, err := s.Solve(ctx, req)
	if err != nil {
		return graph.Graph{}, err
	}
	g, _, err := s.images.graph(ctx, s.Client, res, q.opts["image-resolve-mode"], s.around.of(q.job, itself))
	return g, err
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
		state, err := ref.ToState()
		if err != nil {
			return err
		}
		def, err := state.Marshal(ctx)
		if err != nil {
			return err
		}
		parsed, err := graph.ParseDefinition(def.ToPB())
		if err != nil {
			return err
		}
		g, at := parsed.Graph(around)
		all.Join(g)
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
