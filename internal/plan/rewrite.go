package plan

import (
	"crypto/sha256"
	"fmt"
)

// Rewritten returns a job of a plan with another text in the place of its Dockerfile, which keeps its
// name and its place in the context. Nothing else is changed: not what the job is called by, nor
// its hashes. It lasts as long as the plan. The job must have a Dockerfile that was read.
func Rewritten(p *Plan, job *Job, text []byte) (*Job, error) {
	source, err := p.sources.rewritten(job.Source, text)
	if err != nil {
		return nil, err
	}
	out := *job
	out.Source = source
	out.Options.Inputs.DockerfilePath = source.path
	return &out, nil
}

// rewriting says of which source a text takes the place.
type rewriting struct {
	of   *Source
	text [sha256.Size]byte
}

// rewritten makes a source with another text, once for all jobs.
func (s *sources) rewritten(of *Source, text []byte) (*Source, error) {
	if of.dockerfile == nil {
		return nil, fmt.Errorf("the Dockerfile %s was not read", of.name)
	}
	key := rewriting{of, sha256.Sum256(text)}
	if source, is := s.rewrites[key]; is {
		return source, nil
	}
	out := &Source{context: of.context, dockerfile: text, name: of.name, gitSHA: of.gitSHA, words: of.words}
	if err := s.stage(out); err != nil {
		return nil, err
	}
	if s.rewrites == nil {
		s.rewrites = map[rewriting]*Source{}
	}
	s.rewrites[key] = out
	return out, nil
}
