package show

import (
	"fmt"
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// lose notes that a job waits for its builder, until its next attempt, or all do
// that have not begun.
func (s *State) lose(at time.Time, e journal.BuilderLost) {
	if len(s.nodes) > 1 && !slices.Contains(s.lostNodes, e.Node) {
		s.lostNodes = append(s.lostNodes, e.Node)
	}
	if e.Job == "" {
		s.lostIdle = true
		return
	}
	s.job(at, e.Job).lost = true
}

// recover notes what was mended for a job.
func (s *State) recover(at time.Time, e journal.Recovered) {
	if e.Mending == journal.MendBuilder {
		s.lostNodes = slices.DeleteFunc(s.lostNodes, func(n string) bool { return n == e.Node })
	}
	switch {
	case e.Mending != journal.MendBuilder:
	case e.Job == "":
		s.lostIdle = false
	default:
		s.job(at, e.Job).lost = false
	}
}

// lost counts the jobs that wait for their builder; those that have not begun as
// one.
func (s *State) lost() (n int) {
	if s.lostIdle {
		n++
	}
	for _, j := range s.running {
		if j.lost {
			n++
		}
	}
	return n
}

// tellLost writes that the builder is gone: once, though all that run side by
// side lose it together.
func (p *plain) tellLost(at time.Time, e journal.BuilderLost) {
	switch {
	case len(p.state.nodes) > 1:
		if p.said.lost[e.Node] {
			return
		}
		p.said.lost[e.Node] = true
		text := "the others go on without it until it answers"
		if len(p.state.lostNodes) == len(p.state.nodes) {
			text = "no other node answers either: waiting for one"
		}
		p.line(at, p.warn, "lost", visible.Line(e.Node)+": "+reason(e.Error)+"; "+text)
	case p.state.lost() == 1:
		p.line(at, p.warn, "lost", "the builder: "+reason(e.Error)+"; waiting for it")
	}
}

func (p *plain) tellRecovered(at time.Time, e journal.Recovered) {
	switch {
	case e.Mending != journal.MendBuilder:
		p.line(at, p.info, "mended", p.name(e.Job)+"  "+mendedText(e))
	case len(p.state.nodes) > 1:
		if p.said.lost[e.Node] {
			delete(p.said.lost, e.Node)
			p.line(at, p.info, "back", visible.Line(e.Node)+" answers again")
		}
	case p.state.lost() == 0:
		p.line(at, p.info, "back", "the builder answers again")
	}
}

func mendedText(e journal.Recovered) string {
	switch {
	case e.Skipped:
		return "its cache was mended for another job just now"
	case e.Mending == journal.MendNoCache:
		return "the next attempt goes without the cache"
	}
	return fmt.Sprintf("removed %s (%s) that may be broken", plural.Of(e.Records, "record"), size(e.Bytes))
}
