package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// lose notes that a job waits for its builder, until its next attempt, or all do
// that have not begun.
func (s *State) lose(at time.Time, e journal.BuilderLost) {
	if node := firstNode(e.Node); slices.Contains(s.nodes, node) && len(s.nodes) > 1 && !slices.Contains(s.lostNodes, node) {
		s.lostNodes = append(s.lostNodes, node)
	}
	if e.Job == "" {
		s.lostIdle = true
		return
	}
	s.job(at, e.Job).lost = true
}

// firstNode is the node of an event that is waited for: where several built a job
// together, the first.
func firstNode(nodes string) string {
	first, _, _ := strings.Cut(visible.Line(nodes), " ")
	return first
}

// workersNow counts the workers that are there: on nodes that answer, and that no full
// disk took away.
func (s *State) workersNow() int {
	each := s.workers / max(len(s.nodes), 1)
	return max(s.workers-each*len(s.lostNodes)-s.away, 0)
}

// nodesText tells how many nodes there are, where a run has several.
func (s *State) nodesText() string {
	switch all, lost := len(s.nodes), len(s.lostNodes); {
	case lost > 0 && lost == all:
		return fmt.Sprintf("0 of %d nodes", all)
	case lost > 0:
		return fmt.Sprintf("%d of %d nodes, without %s", all-lost, all, strings.Join(s.lostNodes, " and "))
	case all > 1:
		return fmt.Sprintf("%d nodes", all)
	}
	return ""
}

// workersText tells how many workers there are, and on how many nodes; full is what is
// said of a full disk that took some.
func (f frame) workersText(full string) string {
	text, now := plural.Of(f.workers, "worker"), f.workersNow()
	if now < f.workers {
		text = fmt.Sprintf("%d of %s", now, text)
	}
	if f.away > 0 {
		text += full
	}
	text = joined(" on ", text, f.nodesText())
	if now < f.workers {
		return f.warn(text)
	}
	return text
}

// recover notes what was mended for a job.
func (s *State) recover(at time.Time, e journal.Recovered) {
	if e.Mending == journal.MendBuilder {
		s.lostNodes = slices.DeleteFunc(s.lostNodes, func(n string) bool { return n == firstNode(e.Node) })
	}
	switch {
	case e.Mending != journal.MendBuilder:
	case e.Job == "":
		s.lostIdle = false
	default:
		s.job(at, e.Job).lost = false
	}
}

// allLost tells whether no node answers.
func (s *State) allLost() bool {
	if len(s.nodes) > 1 {
		return len(s.lostNodes) == len(s.nodes)
	}
	return s.lostIdle
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
		node := firstNode(e.Node)
		if p.said.lost[node] {
			return
		}
		p.said.lost[node] = true
		text := "the others go on without it until it answers"
		if len(p.state.lostNodes) == len(p.state.nodes) {
			text = "no other node answers either: waiting for one"
		}
		p.line(at, p.warn, "lost", node+": "+reason(e.Error)+"; "+text)
	case p.state.lost() == 1:
		p.line(at, p.warn, "lost", "the builder: "+reason(e.Error)+"; waiting for it")
	}
}

func (p *plain) tellRecovered(at time.Time, e journal.Recovered) {
	switch {
	case e.Mending != journal.MendBuilder:
		p.line(at, p.info, "mended", p.name(e.Job)+"  "+mendedText(e))
	case len(p.state.nodes) > 1:
		if node := firstNode(e.Node); p.said.lost[node] {
			delete(p.said.lost, node)
			p.line(at, p.info, "back", node+" answers again")
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
