package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// stepLog is steps.jsonl while its run goes on: a step has another line each time that more
// became of it, and the last one counts.
type stepLog struct {
	mu     sync.Mutex
	begun  bool
	before []Step         // of an earlier part of the run
	at     map[string]int // where they are, by their IDs
	first  formIDs
}

// read reads what an earlier part of the run has there. What cannot be read says nothing of
// this part.
func (s *stepLog) read(dir string) {
	if s.at != nil {
		return
	}
	s.before, _ = ReadSteps(dir)
	s.at = make(map[string]int, len(s.before))
	for i, step := range s.before {
		s.at[step.ID] = i
	}
}

// NoteSteps adds the steps of which more is known to steps.jsonl, so that a run that is
// killed has them. They are told in turn: a later line never says less than an earlier one.
func (l *Ledger) NoteSteps(changed func() []Step) error {
	s := &l.steps
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.manifest.inPlace(); err != nil {
		return err
	}
	steps := changed()
	if len(steps) == 0 {
		return nil
	}
	s.read(l.dir)
	if !s.begun { // without what an earlier part may have torn at its end
		data, err := EncodeSteps(s.before)
		if err != nil {
			return err
		}
		if err := replaceFile(filepath.Join(l.dir, StepsFile), data); err != nil {
			return err
		}
		s.begun, s.first = true, formIDs{}
	}
	for i := range steps {
		if at, again := s.at[steps[i].ID]; again {
			steps[i].add(s.before[at])
		}
	}
	data, err := s.first.encode(steps)
	if err != nil {
		return err
	}
	file, err := l.root.OpenFile(StepsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// WriteSteps writes steps.jsonl at the end of the run, with each step once. What an earlier
// part of the run has there is added.
func (l *Ledger) WriteSteps(steps []Step) error {
	s := &l.steps
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.manifest.inPlace(); err != nil {
		return err
	}
	s.read(l.dir)
	data, err := EncodeSteps(AddSteps(s.before, steps))
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(l.dir, StepsFile), data)
}
