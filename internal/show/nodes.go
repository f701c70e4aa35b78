package show

import (
	"strings"

	"github.com/stoker-build/stoker/internal/visible"
)

// nodeOf is a job's node where there are several; else empty.
func (s *State) nodeOf(name string) string {
	if len(s.nodes) < 2 {
		return ""
	}
	return visible.Line(name)
}

// on says on which node a job was, where there are several.
func (s *State) on(name string) string {
	if name = s.nodeOf(name); name != "" {
		return " on " + s.nodeWord(name)
	}
	return ""
}

// nodeWord is a word for a job's node, or those that build it together.
func (s *State) nodeWord(name string) string {
	words := strings.Fields(name)
	for i, w := range words {
		words[i] = word(w, s.nodes)
	}
	return strings.Join(words, " ")
}

// word is the part of a node's name by which it is told from all others: an address without
// what begins and ends all of them, up to a slash or a colon.
func word(name string, all []string) string {
	for _, n := range all {
		if n == "" || len(all) < 2 {
			return name
		}
	}
	start, end := len(name), len(name)
	for _, other := range all {
		if other == name {
			continue
		}
		i := 0
		for i < min(len(name), len(other)) && name[i] == other[i] {
			i++
		}
		start = min(start, i)
		i = 0
		for i < min(len(name), len(other))-start && name[len(name)-1-i] == other[len(other)-1-i] {
			i++
		}
		end = min(end, i)
	}
	start = strings.LastIndexByte(name[:start], '/') + 1
	rest := name[start:]
	if i := strings.IndexAny(rest[max(0, len(rest)-end):], "/:"); i >= 0 {
		rest = rest[:max(0, len(rest)-end)+i]
	}
	if rest == "" {
		return name
	}
	return rest
}
