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

// Phase is one of a job's phases, or of several jobs': as the record calls it, and people.
type Phase struct {
	Key, Name string
	Seconds   float64
}

// phases are all there are, in the order in which a job goes through them.
var phases = []struct {
	key, name string
	of        func(*Phases) *float64
}{
	{"wait", "waiting", func(p *Phases) *float64 { return &p.Wait }},
	{"check", "looking for tags", func(p *Phases) *float64 { return &p.Check }},
	{"setup", "setting up", func(p *Phases) *float64 { return &p.Setup }},
	{"resolve", "resolving images", func(p *Phases) *float64 { return &p.Resolve }},
	{"context", "sending contexts", func(p *Phases) *float64 { return &p.Context }},
	{"pull", "pulling", func(p *Phases) *float64 { return &p.Pull }},
	{"steps", "steps", func(p *Phases) *float64 { return &p.Steps }},
	{"cache", "cache import and export", func(p *Phases) *float64 { return &p.Cache }},
	{"compress", "compressing", func(p *Phases) *float64 { return &p.Compress }},
	{"push", "pushing", func(p *Phases) *float64 { return &p.Push }},
	{"solve", "between steps", func(p *Phases) *float64 { return &p.Solve }},
	{"record", "recording", func(p *Phases) *float64 { return &p.Record }},
	{"post_build", "--post-build", func(p *Phases) *float64 { return &p.PostBuild }},
}

// Each returns the phases in the order in which a job goes through them.
func (p Phases) Each() []Phase {
	all := make([]Phase, len(phases))
	for i, one := range phases {
		all[i] = Phase{one.key, one.name, *one.of(&p)}
	}
	return all
}

// Add adds others to the phases.
func (p *Phases) Add(other Phases) {
	for _, one := range phases {
		*one.of(p) += *one.of(&other)
	}
}

// Seconds is the time of all phases.
func (p Phases) Seconds() (all float64) {
	for _, one := range phases {
		all += *one.of(&p)
	}
	return all
}

// Round rounds to milliseconds, as the record has times.
func (p *Phases) Round() {
	for _, one := range phases {
		*one.of(p) = Thousandths(*one.of(p))
	}
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
