package cache

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/layers"
)

const pulledFrom = "pulled from "

// pulledName splits "pulled from REF@DIGEST".
func pulledName(description string) (ref string, d digest.Digest, ok bool) {
	name, ok := strings.CutPrefix(description, pulledFrom)
	if !ok {
		return "", "", false
	}
	at := strings.LastIndexByte(name, '@')
	if at < 0 {
		return name, "", true
	}
	return name[:at], digest.Digest(name[at+1:]), true
}

// Lineages are numbered. Two are special: none has no pulled layer in it, and
// sets no condition; other has one that is not of the plan or cannot be told.
const (
	none = iota
	other
	firstSet
)

// maxLineage bounds the layers of one lineage, so that a strange graph costs
// neither much time nor much memory. A Dockerfile's records have one, or one for
// each image that a COPY --link is merged onto.
const maxLineage = 64

// lineages finds out which layers the records are, and on which layers the
// others hang.
type lineages struct {
	*graph
	needs *Needs

	chain []*layers.Chain // whose layer a record is, at the record's depth; nil where unknown
	layer []int           // that layer's number in the plan, or -1
	hangs []int           // a record's lineage; for a layer, that of what hangs on it

	sets    [][]int // by lineage number: the layers, sorted
	numbers map[string]int
}

func newLineages(g *graph, v View) *lineages {
	l := &lineages{
		graph: g, needs: v.Needs,
		chain:   make([]*layers.Chain, len(g.records)),
		layer:   make([]int, len(g.records)),
		hangs:   make([]int, len(g.records)),
		sets:    make([][]int, firstSet),
		numbers: map[string]int{},
	}
	l.name(v.Explain)
	l.nameBelow()
	l.number()
	l.hang()
	return l
}

// isLayer tells whether the record at i is, by its description, a layer of an
// image: pulled, or resolved and not yet pulled.
func (l *lineages) isLayer(i int) bool {
	r := &l.records[i]
	return strings.HasPrefix(r.Description, pulledFrom) || r.Description == "" && isRegular(r)
}

// name finds the chains that the records' own descriptions tell. The number of
// ancestors of a pulled record is its layer's place in the chain.
func (l *lineages) name(explain func(digest.Digest) (layers.Chain, bool)) {
	explained := map[digest.Digest]*layers.Chain{}
	for _, i := range l.order {
		_, d, ok := pulledName(l.records[i].Description)
		if !ok || l.depth[i] < 0 {
			continue
		}
		if l.chain[i] = l.needs.chain(d, l.depth[i]); l.chain[i] != nil {
			continue
		}
		if _, asked := explained[d]; !asked && explain != nil {
			explained[d] = nil
			if c, ok := explain(d); ok {
				explained[d] = &c
			}
		}
		if c := explained[d]; c != nil && l.depth[i] < len(c.Layers) {
			l.chain[i] = c
		}
	}
}

// nameBelow names layers that could not be told by their own descriptions after
// a layer above them: all layers of a chain have the same ones below.
func (l *lineages) nameBelow() {
	for _, i := range slices.Backward(l.order) {
		if l.chain[i] == nil || l.depth[i] == 0 {
			continue
		}
		if p := l.parents[i][0]; l.chain[p] == nil && l.isLayer(p) {
			l.chain[p] = l.chain[i]
		}
	}
}

func (l *lineages) number() {
	for i, c := range l.chain {
		l.layer[i] = -1
		if c == nil {
			continue
		}
		if number, ok := l.needs.number[c.Key(l.depth[i])]; ok {
			l.layer[i] = number
		}
	}
}

// hang finds every record's lineage: down to the nearest layers, not below.
func (l *lineages) hang() {
	for _, i := range l.order {
		switch {
		case l.broken[i]:
			l.hangs[i] = other
		case l.layer[i] >= 0:
			l.hangs[i] = l.set([]int{l.layer[i]})
		case l.isLayer(i):
			l.hangs[i] = other
		default:
			l.hangs[i] = l.union(l.parents[i])
		}
	}
}

func (l *lineages) union(parents []int) int {
	sum := none
	for _, p := range parents {
		switch h := l.hangs[p]; {
		case h == none || h == sum:
		case h == other:
			return other
		case sum == none:
			sum = h
		default:
			sum = l.set(distinct(slices.Concat(l.sets[sum], l.sets[h])))
			if sum == other {
				return other
			}
		}
	}
	return sum
}

// set returns the number of the lineage with these layers.
func (l *lineages) set(numbers []int) int {
	if len(numbers) > maxLineage {
		return other
	}
	id := fmt.Sprint(numbers)
	n, ok := l.numbers[id]
	if !ok {
		n = len(l.sets)
		l.numbers[id] = n
		l.sets = append(l.sets, numbers)
	}
	return n
}

func isRegular(r *Record) bool { return r.Kind == "" || r.Kind == KindRegular }
