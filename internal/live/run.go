// Package live serves a run's page while the run goes on. Nothing can be changed through
// it, and nobody who looks at it, however slowly, keeps the run from going on.
package live

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/metrics"
	"github.com/stoker-build/stoker/internal/page"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/timeline"
)

// Run is what is known of a run, from its record when it began and from its events since.
// Its methods may be called concurrently.
//
// Large: what is known of a run, as each part of its page needs it.
type Run struct {
	followed bool // by what another process writes: it may be gone on with

	mu      sync.Mutex // guards what follows
	record  ledger.Record
	before  []ledger.Entry // those that the record had
	events  timeline.Run
	state   *show.State       // which tells how long it still takes
	places  map[string]int    // of jobs in the record's entries, by their names
	logs    map[string]string // of the last attempts, by jobs' names
	ended   bool
	changes int   // how many events there were
	begun   int64 // names what is known since it was begun anew
	metrics *metrics.Run
	steps   *steps
}

// NewRun is a run by its record, of which no event was told yet.
func NewRun(record ledger.Record) *Run {
	r := &Run{}
	r.begin(record)
	return r
}

// begin forgets what was known, and knows what a record says.
func (r *Run) begin(record ledger.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record, r.before, r.events, r.logs, r.ended = record, record.Entries, timeline.Run{}, map[string]string{}, false
	r.record.Summary = nil
	for _, e := range record.Entries {
		if e.LogPath != nil {
			r.logs[e.Name] = *e.LogPath
		}
	}
	r.metrics, r.steps, r.state = metrics.New(), &steps{dir: record.Dir}, show.NewState(record)
	r.changes++
	r.begun = time.Now().UnixNano()
	r.restore()
}

// numbers answers scrapes with the run's numbers.
func (r *Run) numbers() http.Handler {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.metrics.Handler()
}

// restore has the entries be those that the record had.
func (r *Run) restore() {
	r.record.Entries, r.places = slices.Clone(r.before), map[string]int{}
	for i, e := range r.record.Entries {
		r.places[e.Name] = i
	}
}

// Apply takes in an event.
func (r *Run) Apply(at time.Time, e journal.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics.Apply(at, e)
	r.changes++
	r.events.Apply(at, e)
	r.state.Apply(at, e)
	switch e := e.(type) {
	case journal.RunStarted:
		r.restore() // of what ended in an earlier run, the record knows what still counts
		r.ended, r.record.Summary = false, nil
	case journal.AttemptStarted:
		r.logs[e.Job] = e.Log
	case journal.JobFinished:
		r.add(e.Entry)
	case journal.RunFinished:
		r.record.Summary, r.record.Writing, r.ended = &e.Summary, false, true
	}
}

// add takes in the end of a job, which the record may have had already.
func (r *Run) add(e ledger.Entry) {
	if i, known := r.places[e.Name]; known {
		r.record.Entries[i] = e
		return
	}
	r.places[e.Name] = len(r.record.Entries)
	r.record.Entries = append(r.record.Entries, e)
}

// over ends a run of which no more is told: it has a summary, or nobody knows how it ended.
func (r *Run) over(s *ledger.Summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	if s != nil {
		r.record.Summary = s
	}
	if !r.ended { // whose numbers then are those of its end
		left := ledger.Summary{Unfinished: r.record.Run.JobCount - len(r.record.Entries)}
		r.metrics.Apply(r.events.Latest, journal.RunFinished{Summary: left})
	}
	r.record.Writing, r.ended = false, true
}

// changed is how many events there were, and whether the run has ended.
func (r *Run) changed() (n int, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changes, r.ended
}

// name changes when all is begun anew: rows that were counted before count no more.
func (r *Run) name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strconv.FormatInt(r.begun, 10)
}

// openLog opens the log of a job's last attempt; the error is an fs.ErrNotExist where there
// is none.
func (r *Run) openLog(job string) (*os.File, error) {
	r.mu.Lock()
	dir, path := r.record.Dir, r.logs[job]
	r.mu.Unlock()
	return ledger.OpenLog(dir, path)
}

// made makes something of what the page is made of, and of its steps where they are in it. These
// are read before, so that events need not wait for that.
func (r *Run) made(withSteps bool, write func(page.Data) error) error {
	if !withSteps {
		r.mu.Lock()
		defer r.mu.Unlock()
		return write(r.data())
	}
	r.mu.Lock()
	steps, ended := r.steps, r.ended
	r.mu.Unlock()
	all, lines := steps.read(ended)
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.data()
	if steps == r.steps { // else all is begun anew
		d.Steps, d.Lines = all, lines
	}
	return write(d)
}

// page writes the whole page.
func (r *Run) page() ([]byte, error) {
	var b bytes.Buffer
	err := r.made(true, func(d page.Data) error { return page.Write(&b, d) })
	return b.Bytes(), err
}

// parts are parts of the page, of which some may tell of steps.
func (r *Run) parts(withSteps bool, names ...string) (parts map[string]string, err error) {
	err = r.made(withSteps, func(d page.Data) error {
		parts, err = page.Parts(d, names...)
		return err
	})
	return parts, err
}

// rows are the rows of the jobs that ended after the first so many, as far as most.
func (r *Run) rows(first, most int) (rows []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first < 0 || first > len(r.record.Entries) {
		return nil, nil
	}
	for _, e := range r.record.Entries[first:min(len(r.record.Entries), first+most)] {
		row, err := page.Row(report.Job{Entry: e})
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// data is what the page is made of, but for the steps. The caller holds mu until it is made.
func (r *Run) data() page.Data {
	now := time.Now()
	live := &page.Live{Events: "events?run=" + strconv.FormatInt(r.begun, 10), Rows: len(r.record.Entries), Over: r.ended}
	told := report.Own(report.Seen{Record: r.record, Events: &r.events})
	if !r.ended { // it goes on, also while no job ends
		live.Left, told.ImagesPerHour = r.state.About(now), r.state.ImagesPerHour(now)
	}
	return page.Data{Report: told, Runs: []page.Run{{Dir: r.record.Dir, Run: &r.events}}, Made: now, Live: live}
}
