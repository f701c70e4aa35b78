package plan

import (
	"errors"
	"io"

	"github.com/stoker-build/stoker/internal/rows"
)

// Spec is what all rows of an input have in common. The fields are the flags of
// docker buildx build. Those under Templates may be templates over a row's
// columns.
//
// Large: a field for each flag, and docker buildx build has many.
type Spec struct {
	// Templates.
	Context      string            // PATH
	File         string            // -f; "-" for Stdin
	Base         string            // the base image; empty to take that of an image list, or none
	TagTemplates []string          // -t
	BuildArgs    map[string]string // the values may be templates
	Contexts     []string          // NAME=PATH, of which PATH may be one
	Labels       map[string]string // the values may be templates
	Target       string
	Platforms    []string
	CacheFrom    []string
	CacheTo      []string
	Outputs      []string // -o
	Annotations  []string
	MetadataFile string
	Secrets      []string

	// Preset is the one that has said what Base is; empty where a person has.
	Preset string
	// BaseArg is the build argument that takes the base image.
	BaseArg string
	// PlainArgs are build arguments that are taken as they are, such as those
	// from the environment.
	PlainArgs map[string]string
	Stdin     io.Reader
	// AllowOutside lets rows name Dockerfiles and contexts outside of the
	// working directory.
	AllowOutside bool
	// Record is the directory of the run's record, which no context sends; empty for none.
	Record string

	SSH           []string
	Attests       []string
	NetworkMode   string
	ExtraHosts    []string
	CgroupParent  string
	ShmSize       string
	Ulimits       []string
	Resources     []string
	Allow         []string
	NoCache       bool
	NoCacheFilter []string
	Pull          bool
	Push          bool
	Load          bool
	Compression   Compression
	// InsecureRegistries are pushed to without TLS, as loopback ones are.
	InsecureRegistries []string

	BatchSize int
	// Limit is how many jobs are made of the first rows; 0 for all.
	Limit int
	// Shard is the part of these jobs that is built.
	Shard Shard
}

// New makes the plan that builds the spec for each row, in their order.
// Everything that can be wrong with the input is found here. The plan must be
// closed.
func New(spec Spec, in rows.Input) (*Plan, error) {
	m, err := newMaker(spec)
	if err != nil {
		return nil, fieldForFunction(err, in.Columns)
	}
	p := &Plan{BatchSize: max(spec.BatchSize, 1), Notes: in.Notes, Sidecars: in.Sidecars, sources: m.sources, words: flagWords}
	if err := m.fill(p, in); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}
