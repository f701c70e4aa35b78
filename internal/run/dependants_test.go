package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/plan"
)

// newPipelines has so many bases, an image linked with each, and one linked with that.
func newPipelines(t *testing.T, pipelines int, daemons ...*nodetest.Daemon) *stage {
	t.Helper()
	s := newStage(t, 0, 0, daemons...)
	for _, c := range "abcdefgh"[:pipelines] {
		name := string(c)
		base := nodetest.Job("base-"+name, "os/project"+name)
		middle := nodetest.Linked("middle-"+name, base)
		s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Linked("final-"+name, middle), middle, base)
	}
	return s
}

// ends are how jobs have ended, by their names.
func (s *stage) ends() map[string]ledger.Entry {
	ends := map[string]ledger.Entry{}
	for _, e := range s.Ledger.Entries() {
		ends[e.Name] = e
	}
	return ends
}

// What one node has made and another makes anew, since nobody can pull it, is reserved
// there with what it was seen to take.
func TestLinksMadeAnewKeepTheBudget(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		const budget = 330 * mb // two heirs need 350: two layers, the base's step, and one each
		one, two := nodetest.New("one", 0), nodetest.New("two", 0)
		s := newStage(t, 0, 0, one, two)
		base := nodetest.Job("base", "os/project")
		s.Plan.Jobs = []*plan.Job{base}
		for i := range 12 {
			s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Linked(fmt.Sprintf("heir-%d", i), base))
		}
		s.Space.Budget, s.Space.Rates.Own = budget, 50*mb
		s.allBuilt(s.run(t.Context()), 1)
		if s.Made("base") != 2 {
			t.Fatalf("the base was made %d times, want once on each node", s.Made("base"))
		}
		for _, d := range []*nodetest.Daemon{one, two} {
			if d.Peak() > budget {
				t.Errorf("the cache of %s came to %d MB, with a budget of %d", d.Name(), d.Peak()/mb, int64(budget/mb))
			}
		}
	})
}

// What is built on a failed job is skipped, by links as by tags, with its name; it counts as no failure, and nothing else
// stops. A resumed run builds it.
func TestDependantsOfAFailedJob(t *testing.T) {
	for kind, newStage := range map[string]func(t *testing.T, d *nodetest.Daemon) *stage{
		"links": func(t *testing.T, d *nodetest.Daemon) *stage { return newPipelines(t, 4, d) },
		"tags": func(t *testing.T, d *nodetest.Daemon) *stage {
			s := newFamilies(t, 0, 0, d)
			for _, c := range "abcd" {
				base := nodetest.Job("base-"+string(c), "os/project"+string(c))
				middle := nodetest.Job("middle-"+string(c), base.Tags[0])
				s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Job("final-"+string(c), middle.Tags[0]), middle, base)
			}
			return s
		},
	} {
		t.Run(kind, func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				s := newStage(t, nodetest.New("one", 0))
				s.MaxFailures = 1
				broken := true
				s.Fail = func(job string, _ int) error {
					if broken && job == "base-b" {
						return errors.New("it is broken")
					}
					return nil
				}
				sum := s.run(t.Context())
				if sum.Built != 9 || sum.Failed != 1 || sum.Skipped != 0 || sum.SkippedDependency != 2 || sum.Unfinished != 0 || sum.StopReason != "" {
					t.Errorf("built %d, failed %d, skipped %d and %d, unfinished %d, stopped for %q", sum.Built, sum.Failed, sum.Skipped, sum.SkippedDependency, sum.Unfinished, sum.StopReason)
				}
				if says := sum.FailedDependencies.String(); says != "2 skipped: built on base-b, which failed" {
					t.Errorf("it says %q", says)
				}
				for _, name := range []string{"middle-b", "final-b"} {
					e := s.ends()[name]
					if e.Status != ledger.SkippedDependency || e.FailedDependency != "base-b" || s.Attempts(name) != 0 || e.Error != nil {
						t.Errorf("%s after %d attempts: %+v", name, s.Attempts(name), e)
					}
				}
				counted := 0
				for _, e := range of[journal.BatchFinished](s) {
					counted += e.SkippedDependency
				}
				if counted != 2 {
					t.Errorf("the batches have %d of them", counted)
				}
				broken = false
				time.Sleep(time.Second) // else the last of the first run is of the second
				if sum = s.run(t.Context()); sum.Built != 12 || sum.KeptBuilt != 9 || sum.SkippedDependency != 0 {
					t.Errorf("resumed: built %d, of these %d kept, %d skipped", sum.Built, sum.KeptBuilt, sum.SkippedDependency)
				}
			})
		})
	}
}

// A linked job is built after the other, whose steps it finds in the cache.
func TestLinkedJobsAreBuiltAfterTheOthers(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 0)
		s := newPipelines(t, 6, d)
		s.Space.Budget, s.Workers = 900*mb, 3
		s.allBuilt(s.run(t.Context()), 1)
		if all, different := d.Pulls(); all != 7 || different != 7 {
			t.Errorf("%d layers were pulled, %d different ones, want 7: one of all, and one of each base", all, different)
		}
		if warned := of[journal.Warning](s); len(warned) > 0 {
			t.Errorf("%+v", warned)
		}
		order := map[string]int{}
		for i, e := range s.Ledger.Entries() {
			order[e.Name] = i
		}
		for _, c := range "abcdef" {
			if base, middle, final := order["base-"+string(c)], order["middle-"+string(c)], order["final-"+string(c)]; base > middle || middle > final {
				t.Errorf("of %c the base was the %dth, what is built on it the %dth and %dth", c, base, middle, final)
			}
		}
	})
}

// tags are those that exist, with their digests.
type tags map[string]string

func (t tags) Exists(_ context.Context, tag string) (string, bool, error) {
	return t[tag], t[tag] != "", nil
}

// What a registry has is built on by its digest, and nothing of it is made again.
func TestLinksToWhatARegistryHas(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 0)
		s := newPipelines(t, 2, d)
		exist := tags{}
		for _, job := range s.Plan.Jobs {
			nodetest.Pushed(job)
			if strings.HasPrefix(job.Name, "base") {
				s.Publish(job)
				exist[job.Tags[0]] = nodetest.DigestOf(job)
			}
		}
		s.Registries.Tags = exist
		sum := s.run(t.Context())
		if sum.Built != 4 || sum.Skipped != 2 {
			t.Errorf("built %d and skipped %d, want 4 and 2", sum.Built, sum.Skipped)
		}
		if all, different := d.Pulls(); all != 5 || different != 5 {
			t.Errorf("%d layers were pulled, %d different ones, want 5: one of all, and two of each base's image", all, different)
		}
		if s.Made("base-a")+s.Made("base-b") != 0 || s.Made("middle-a") != 1 || s.Made("final-b") != 1 {
			t.Error("a step of what exists was made, or another not once")
		}
	})
}

// formNotes notes which jobs were built with links.
type formNotes struct {
	*nodetest.Builder
	before func(job string)
	mu     *sync.Mutex // guards links
	links  map[string]bool
}

// noteForms has it noted, and something done before each build.
func (s *stage) noteForms(before func(job string)) formNotes {
	l := formNotes{s.Builder, before, &sync.Mutex{}, map[string]bool{}}
	s.Options.Builder = l
	return l
}

func (l formNotes) Build(ctx context.Context, on []string, job *plan.Job, log io.Writer, watch builder.Watch) (builder.Result, error) {
	l.before(job.Name)
	l.mu.Lock()
	l.links[job.Name] = len(job.Links) > 0
	l.mu.Unlock()
	return l.Builder.Build(ctx, on, job, log, watch)
}

// What was made and pushed is built on by its digest, on whichever node; what nobody can pull is made again on another.
func TestLinksToWhatAnotherNodeHasMade(t *testing.T) {
	for _, pushed := range []bool{true, false} {
		t.Run(fmt.Sprint("pushed: ", pushed), func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				one, two := nodetest.New("one", 0), nodetest.New("two", 0)
				s := newStage(t, 0, 0, one, two)
				s.Workers = 1
				base := nodetest.Job("base", "os/project")
				s.Plan.Jobs = []*plan.Job{base}
				for _, c := range "abcdef" {
					s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Linked("on-it-"+string(c), base))
				}
				if pushed {
					nodetest.Pushed(s.Plan.Jobs...)
				}
				s.Takes = time.Minute
				l := s.noteForms(func(string) {})
				s.allBuilt(s.run(t.Context()), 1)
				if s.BuiltOn("one") == 0 || s.BuiltOn("two") == 0 {
					t.Fatalf("all were built on one node")
				}
				for name, links := range l.links {
					if want := name != "base" && !pushed; links != want {
						t.Errorf("%s was built with a link: %v, want %v", name, links, want)
					}
				}
				if want := map[bool]int{true: 1, false: 2}[pushed]; s.Made("base") != want {
					t.Errorf("the base was made %d times, want %d", s.Made("base"), want)
				}
			})
		})
	}
}

// What was made and pushed is built on by its digest where it was made, too: its steps may be gone from the cache since,
// for room or by somebody else, or would be made anew in each build, since what they are upon is. What is there of them is used, kept for what is built on it,
// and swept after that.
func TestLinksToWhatIsPushed(t *testing.T) {
	const budget = 450 * mb
	for _, its := range []string{"steps stay", "steps go", "steps are made without the cache", "base is made in each build"} {
		t.Run(its, func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				d := nodetest.New("one", 0)
				s := newStage(t, 0, 0, d)
				for _, c := range "abcd" {
					base := nodetest.Job("base-"+string(c), "os/project"+string(c))
					base.Options.NoCache = its == "steps are made without the cache"
					if its == "base is made in each build" {
						below := nodetest.Job("below-"+string(c), base.Base)
						below.Options.NoCache = true
						base = nodetest.Linked(base.Name, below)
					}
					s.Plan.Jobs = append(s.Plan.Jobs, base)
					for i := range 3 {
						s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Linked(fmt.Sprintf("on-%s-%d", base.Name, i), base))
					}
				}
				nodetest.Pushed(s.Plan.Jobs...)
				s.Space.Budget = budget
				s.PullAhead = false // what is pulled ahead may have to go again for room
				if its == "steps go" {
					s.Workers = 1
				}
				l := s.noteForms(func(job string) {
					if its == "steps go" && strings.HasSuffix(job, "-2") {
						d.Prune(t.Context())
					}
				})
				sum := s.run(t.Context())
				if sum.Built != len(s.Plan.Jobs) {
					t.Errorf("%d of %d built: %v", sum.Built, len(s.Plan.Jobs), of[journal.Warning](s))
				}
				for _, job := range s.Plan.Jobs {
					if n := s.Made(job.Name); n != 1 {
						t.Errorf("the step of %s was made %d times", job.Name, n)
					}
					if want := its == "base is made in each build" && strings.HasPrefix(job.Name, "base"); l.links[job.Name] != want {
						t.Errorf("%s was built with a link: %t, want %t", job.Name, !want, want)
					}
				}
				want := 5 // one of all, and one of each base
				if its == "steps go" {
					want = 1 + 4*(1+3) // one of all, one of each base, and all of its image each time
				}
				if all, _ := d.Pulls(); all != want || d.Peak() > budget || sum.Prune.ReclaimedBytes == 0 {
					t.Errorf("%d layers were pulled, want %d; the cache came to %d MB of %d, %d were swept", all, want, d.Peak()/mb, int64(budget/mb), sum.Prune.ReclaimedBytes/mb)
				}
			})
		})
	}
}
