package ledger

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Phases is where a job's time went, in seconds: each moment counts for one phase, so that
// they add up to its duration.
//
// Large: its fields are those of the record, which programs read.
type Phases struct {
	// Wait is for space, for registries, for a builder, and between attempts.
	Wait float64 `json:"wait"`
	// Check asks whether the job's tags exist.
	Check float64 `json:"check"`
	// Setup is from the beginning of an attempt to the first that BuildKit does.
	Setup float64 `json:"setup"`
	// Resolve asks registries for images' digests and configurations.
	Resolve float64 `json:"resolve"`
	// Context sends the Dockerfile, contexts and sources.
	Context float64 `json:"context"`
	// Pull fetches and unpacks layers, where no step runs meanwhile.
	Pull float64 `json:"pull"`
	// Steps are the Dockerfile's, also those that another job's build is at.
	Steps float64 `json:"steps"`
	// Cache imports and exports cache.
	Cache float64 `json:"cache"`
	// Compress makes layers and the image of what steps left.
	Compress float64 `json:"compress"`
	// Push sends the image to its registry, or to what else takes it.
	Push float64 `json:"push"`
	// Solve is BuildKit's own, between the others.
	Solve float64 `json:"solve"`
	// Record is from the last that BuildKit does to its answer: it keeps the build's history.
	Record float64 `json:"record"`
	// PostBuild is the user's command.
	PostBuild float64 `json:"post_build"`
}

// Phase is one of a job's phases, or of several jobs', with its name for people.
type Phase struct {
	Name    string
	Seconds float64
}

// Each returns the phases in the order in which a job goes through them.
func (p Phases) Each() []Phase {
	return []Phase{
		{"waiting", p.Wait}, {"looking for tags", p.Check}, {"setting up", p.Setup}, {"resolving images", p.Resolve},
		{"sending contexts", p.Context}, {"pulling", p.Pull}, {"steps", p.Steps}, {"cache import and export", p.Cache},
		{"compressing", p.Compress}, {"pushing", p.Push}, {"between steps", p.Solve}, {"recording", p.Record},
		{"--post-build", p.PostBuild},
	}
}

// Add adds others to the phases.
func (p *Phases) Add(other Phases) {
	all, more := p.fields(), other.fields()
	for i := range all {
		*all[i] += *more[i]
	}
}

// Seconds is the time of all phases.
func (p Phases) Seconds() (all float64) {
	for _, f := range p.fields() {
		all += *f
	}
	return all
}

// Round rounds to milliseconds, as the record has times.
func (p *Phases) Round() {
	for _, f := range p.fields() {
		*f = math.Round(*f*1000) / 1000
	}
}

func (p *Phases) fields() []*float64 {
	return []*float64{&p.Wait, &p.Check, &p.Setup, &p.Resolve, &p.Context, &p.Pull, &p.Steps, &p.Cache,
		&p.Compress, &p.Push, &p.Solve, &p.Record, &p.PostBuild}
}

func (s *Summary) addPhases(p *Phases) {
	if p == nil {
		return
	}
	if s.Phases == nil {
		s.Phases = &Phases{}
	}
	s.Phases.Add(*p)
}

// smallPhase is the least share, in percent, that is worth a word.
const smallPhase = 3

// Shares tells where the time went, the most first, such as "54% compressing" and "30%
// steps"; nothing where it is not known.
func (p *Phases) Shares() (shares []string) {
	if p == nil || p.Seconds() <= 0 {
		return nil
	}
	each := p.Each()
	slices.SortStableFunc(each, func(a, b Phase) int { return cmp.Compare(b.Seconds, a.Seconds) })
	all := p.Seconds()
	for _, phase := range each {
		if share := math.Round(phase.Seconds / all * 100); share >= smallPhase {
			shares = append(shares, fmt.Sprintf("%.0f%% %s", share, phase.Name))
		}
	}
	return shares
}
