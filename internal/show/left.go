package show

import (
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// Expected is what is known of a job before a run.
type Expected struct {
	Name string
	// Kind is the same for jobs whose times tell something of one another's, and Base for those
	// that share a base image, which the first of them pulls.
	Kind, Base string
	// Seconds is what it took in earlier runs, without what it waited for; 0 is not known.
	Seconds float64
}

// Expect tells what is known of the jobs of a plan but for those that an earlier run has finished.
func Expect(planned []ledger.PlanJob, kept []ledger.Entry) (jobs []Expected) {
	done := map[string]bool{}
	for _, e := range kept {
		done[e.Name] = true
	}
	for _, j := range planned {
		if !done[j.Name] {
			jobs = append(jobs, Expected{Name: j.Name, Kind: j.Kind, Base: j.Base, Seconds: j.Seconds})
		}
	}
	return jobs
}

// outlook is what is known of a run's jobs and of how they have gone so far. Its methods can be
// called on nil, which knows nothing.
type outlook struct {
	jobs    []Expected
	of      map[string]int // the jobs' indexes
	begun   map[string]time.Time
	ended   map[string]bool
	first   map[string]string // of each kind and base, the job that began first
	busy    time.Duration     // of all workers, on jobs that have ended
	started time.Time         // when the first job began

	measured
}

// measured is how long jobs have taken in this run.
type measured struct {
	firsts, others map[string]*mean // by kind: the first of a base, and those after it
	all            mean
	learned        float64 // what earlier runs said of those jobs of which they knew
	took           float64 // what these took
}

// mean adds up durations.
type mean struct {
	seconds float64
	n       int
}

func (m *mean) add(seconds float64) { m.seconds, m.n = m.seconds+seconds, m.n+1 }

func newOutlook(jobs []Expected) *outlook {
	if len(jobs) == 0 {
		return nil
	}
	o := &outlook{
		of: map[string]int{}, begun: map[string]time.Time{}, ended: map[string]bool{}, first: map[string]string{},
		measured: measured{firsts: map[string]*mean{}, others: map[string]*mean{}},
	}
	for i, j := range jobs {
		j.Name = visible.Line(j.Name)
		o.of[j.Name] = i
		o.jobs = append(o.jobs, j)
	}
	return o
}

// afresh knows the jobs, and nothing of how they have gone.
func (o *outlook) afresh() *outlook {
	if o == nil {
		return nil
	}
	return newOutlook(o.jobs)
}

func shareOf(j Expected) string { return j.Kind + "\x00" + j.Base }

// begin notes that a worker has taken a job.
func (o *outlook) begin(name string, at time.Time) {
	if o == nil {
		return
	}
	if o.started.IsZero() {
		o.started = at
	}
	o.begun[name] = at
	if i, is := o.of[name]; is {
		if share := shareOf(o.jobs[i]); o.first[share] == "" {
			o.first[share] = name
		}
	}
}

// end notes that a job has ended, and how long it took where that tells something.
func (o *outlook) end(name string, at time.Time, tells bool) {
	if o == nil {
		return
	}
	began, has := o.begun[name]
	delete(o.begun, name)
	i, is := o.of[name]
	if !is || o.ended[name] {
		return
	}
	o.ended[name] = true
	if !has {
		return
	}
	took := max(at.Sub(began), 0)
	o.busy += took
	if tells {
		o.measure(o.jobs[i], took.Seconds(), o.first[shareOf(o.jobs[i])] == name)
	}
}

func (m *measured) measure(j Expected, took float64, first bool) {
	m.all.add(took)
	if j.Seconds > 0 {
		m.learned, m.took = m.learned+j.Seconds, m.took+took
	}
	of := m.others
	if first {
		of = m.firsts
	}
	if of[j.Kind] == nil {
		of[j.Kind] = &mean{}
	}
	of[j.Kind].add(took)
}

// left estimates how long the run still takes: what the jobs that are left are expected to
// take, shared by as many workers as were busy so far; and no less than the longest of them.
// It is not known while that of one job is not.
func (o *outlook) left(now time.Time, workers int) (time.Duration, bool) {
	enough := o.all.n > 0 && o.all.n >= min(workers, len(o.jobs)) // the first to finish are the quick ones
	var work, longest float64
	pulled := map[string]bool{}
	for _, j := range o.jobs {
		if o.ended[j.Name] {
			continue
		}
		share := shareOf(j)
		first := o.first[share] == j.Name || o.first[share] == "" && !pulled[share]
		pulled[share] = true
		seconds, known := o.expect(j, first, enough)
		if !known {
			return 0, false
		}
		if began, runs := o.begun[j.Name]; runs {
			seconds = rest(seconds, now.Sub(began).Seconds())
		}
		work, longest = work+seconds, max(longest, seconds)
	}
	return ofSeconds(max(work/o.parallel(now, workers), longest)), true
}

// expect is how long a job takes as a whole: what it took in earlier runs, by as much more or
// less as jobs take in this one; or what others of its kind have taken in this run; or, where none
// has ended, what all have.
func (m *measured) expect(j Expected, first, enough bool) (seconds float64, known bool) {
	if j.Seconds > 0 {
		if m.learned > 0 {
			return j.Seconds * m.took / m.learned, true
		}
		return j.Seconds, true
	}
	if !enough {
		return 0, false
	}
	like, unlike := m.others[j.Kind], m.firsts[j.Kind]
	if first {
		like, unlike = unlike, like
	}
	for _, of := range []*mean{like, unlike, &m.all} {
		if of != nil {
			return of.seconds / float64(of.n), true
		}
	}
	return 0, false
}

// rest is what a job still takes that runs. One that has taken longer than was expected is
// taken to need a tenth of what was.
func rest(expected, ran float64) float64 {
	ran = max(ran, 0)
	return max(expected-ran, min(ran, expected)/10, 0)
}

// parallel is how many workers were busy so far, in the mean: not all of them are where jobs
// wait for space or for one another.
func (o *outlook) parallel(now time.Time, workers int) float64 {
	since := now.Sub(o.started).Seconds()
	if o.started.IsZero() || since <= 0 {
		return float64(max(workers, 1))
	}
	busy := o.busy.Seconds()
	for _, began := range o.begun {
		busy += max(now.Sub(began).Seconds(), 0)
	}
	return min(max(busy/since, 1), float64(max(workers, 1)))
}

// ImagesPerHour is the pace of building since the first job began, as the run's
// summary will have it; 0 while nothing is built.
func (s *State) ImagesPerHour(now time.Time) float64 {
	if s.summary != nil {
		return s.summary.ImagesPerHour
	}
	building := now.Sub(s.firstBegan).Hours()
	if s.firstBegan.IsZero() || building <= 0 {
		return 0
	}
	return float64(s.built) / building
}
