package live

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/ledger"
)

// seldom is how many times as long as reading the steps took it is until they are read anew: to
// say why the steps of thousands of jobs were run takes seconds.
const seldom = 20

// steps are those that a run has on record so far, and the lines of the Dockerfiles that they
// are of. Its methods may be called concurrently.
type steps struct {
	dir string

	mu     sync.Mutex // guards what follows
	of     os.FileInfo
	next   time.Time
	asked  bool // for those of the run before
	before []ledger.Step
	all    []ledger.Step
	lines  []explain.Line
}

// read returns what is there, as it was read last or anew: the end of a run in any case.
func (s *steps) read(ended bool) ([]ledger.Step, []explain.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	info, err := os.Stat(filepath.Join(s.dir, ledger.StepsFile))
	if err != nil || s.is(info) || began.Before(s.next) && !ended {
		return s.all, s.lines
	}
	all, err := ledger.ReadSteps(s.dir)
	if err != nil { // it is being written
		return s.all, s.lines
	}
	if !s.asked {
		_, s.before = ledger.StepsBefore(s.dir)
	}
	s.asked, s.of, s.all, s.lines = true, info, all, explain.Run(all, s.before)
	s.next = time.Now().Add(seldom * time.Since(began))
	return s.all, s.lines
}

// is tells whether a file is as it was read last.
func (s *steps) is(info os.FileInfo) bool {
	return s.of != nil && os.SameFile(s.of, info) && s.of.Size() == info.Size() && s.of.ModTime().Equal(info.ModTime())
}
