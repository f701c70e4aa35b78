// Package stepbook keeps what all jobs' steps are, each once, and what became of them: what
// steps.jsonl is made of. It is pure.
package stepbook

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/redact"
)

// Book is the steps of a run. It may be used by several goroutines.
type Book struct {
	hide func(string) string // takes secrets out of text

	mu    sync.Mutex
	seed  maphash.Seed
	forms map[uint64]*ledger.StepForm // by what they are, of which few are equal in 64 bits
	known map[graph.ID]*entry
	order []graph.ID

	changed []graph.ID // since Changed was asked last
}

type entry struct {
	form   *ledger.StepForm
	on     []graph.ID
	done   []time.Time // when each making was
	took   time.Duration
	cached int
	// layers are those of a base image, which is called by its topmost.
	layers []graph.ID
	// noCache says that it was not to be taken from the cache.
	noCache bool

	changed bool
}

// New returns a book of no steps. Secrets are taken out of texts by hide.
func New(hide func(string) string) *Book {
	return &Book{hide: hide, seed: maphash.MakeSeed(), forms: map[uint64]*ledger.StepForm{}, known: map[graph.ID]*entry{}}
}

// Take takes the steps of a job, by its Dockerfile's name and its graph. Written tells, of
// what the builder calls a step, how the Dockerfile has it.
func (b *Book) Take(file string, g graph.Graph, written func(called string) string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range g.Images {
		b.takeImage(&g.Images[i])
	}
	for i := range g.Vertices {
		v := &g.Vertices[i]
		if b.known[v.ID] != nil || v.Kind != graph.Step && v.Kind != graph.Source {
			continue
		}
		if d, told := g.Detail(v.ID); told {
			b.add(v.ID, b.formOf(v.Kind, file, written(d.Text), &d), d.On).noCache = d.NoCache
		}
	}
}

func (b *Book) takeImage(image *graph.Image) {
	if len(image.Layers) == 0 {
		return
	}
	top := image.Layers[len(image.Layers)-1]
	if b.known[top] != nil {
		return
	}
	name, _, _ := strings.Cut(image.Ref, "@")
	b.add(top, &ledger.StepForm{Kind: ledger.StepBase, Text: b.hide(name), Digest: image.Digest}, nil).layers = image.Layers
}

func (b *Book) add(id graph.ID, form *ledger.StepForm, on []graph.ID) *entry {
	e := &entry{form: form, on: on}
	b.known[id] = e
	b.order = append(b.order, id)
	b.note(id, e)
	return e
}

// note notes that more is known of a step.
func (b *Book) note(id graph.ID, e *entry) {
	if !e.changed {
		e.changed, b.changed = true, append(b.changed, id)
	}
}

// formOf returns the form of a step, which many have.
func (b *Book) formOf(kind graph.Kind, file, text string, d *graph.Detail) *ledger.StepForm {
	key := b.keyOf(kind, file, text, d)
	if b.forms[key] == nil {
		b.forms[key] = b.newForm(kind, file, text, d)
	}
	return b.forms[key]
}

func (b *Book) newForm(kind graph.Kind, file, text string, d *graph.Detail) *ledger.StepForm {
	f := &ledger.StepForm{Kind: ledger.StepRun, Op: string(d.Op), Text: b.hide(text), Line: d.Line, Files: d.Files, Parts: map[string]string{}, Owner: b.hide(d.Owner)}
	if kind == graph.Source {
		f.Kind = ledger.StepSource
	}
	if text != d.Text {
		f.LinkedAs = b.hide(d.Text)
	}
	if d.Line > 0 {
		f.File = b.hide(file)
	}
	for part, value := range d.Parts {
		if value != "" {
			f.Parts[part] = b.hide(value)
		}
	}
	for _, path := range d.Caches {
		f.Caches = append(f.Caches, b.hide(path))
	}
	if len(d.Env) > 0 {
		f.Env = make(map[string]string, len(d.Env))
	}
	for _, assignment := range d.Env {
		name, _, _ := strings.Cut(assignment, "=")
		f.Env[name] = b.hashOf(name, assignment)
	}
	return f
}

// hashOf tells whether two values of a variable are the same. Whoever reads it can try
// values: so of what may be a secret it has only so much that thousands of others have the same.
func (b *Book) hashOf(name, assignment string) string {
	sum := sha256.Sum256([]byte(assignment))
	if redact.LooksSecret(name) || b.hide(assignment) != assignment {
		return hex.EncodeToString(sum[:2])
	}
	return hex.EncodeToString(sum[:4])
}

// keyOf is equal for details of the same form.
func (b *Book) keyOf(kind graph.Kind, file, text string, d *graph.Detail) uint64 {
	var h maphash.Hash
	h.SetSeed(b.seed)
	put := func(text string) {
		_, _ = h.WriteString(text) // a hash takes all
		_ = h.WriteByte(0)
	}
	put(string(rune(kind)) + strconv.Itoa(d.Line))
	for _, text := range []string{string(d.Op), file, text, d.Text, d.Owner} {
		put(text)
	}
	for _, texts := range [][]string{d.Env, d.Caches} {
		put(strconv.Itoa(len(texts)))
		for _, text := range texts {
			put(text)
		}
	}
	return h.Sum64() + b.sumOf(d.Parts) + 3*b.sumOf(d.Files)
}

// sumOf is equal for equal maps.
func (b *Book) sumOf(m map[string]string) (sum uint64) {
	for k, v := range m {
		sum += maphash.String(b.seed, k)*31 ^ maphash.String(b.seed, v)
	}
	return sum
}

// Made notes that a step was made, or tried in vain. Each job that waits for it tells.
func (b *Book) Made(m cache.Making) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.known[m.Vertex]
	if e == nil || m.Done.IsZero() || slices.ContainsFunc(e.done, m.Done.Equal) {
		return
	}
	e.done = append(e.done, m.Done)
	e.took += m.Done.Sub(m.Began)
	b.note(m.Vertex, e)
}

// Found notes that a job has found a step in the cache.
func (b *Book) Found(id graph.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.known[id]; e != nil {
		e.cached++
		b.note(id, e)
	}
}

// Seen is what is known of steps elsewhere.
type Seen struct {
	// Jobs counts the jobs that have a step.
	Jobs func(graph.ID) int
	// Bytes is what a step's result takes; 0 where that was not seen. It may be nil.
	Bytes map[graph.ID]int64
}

// Steps returns all steps, each after those that it is made from.
func (b *Book) Steps(seen Seen) []ledger.Step {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tell(b.order, seen)
}

// Changed returns the steps of which more is known than when it was asked last; new ones come
// after those that they are made from.
func (b *Book) Changed(seen Seen) []ledger.Step {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := b.changed
	b.changed = nil
	for _, id := range ids {
		b.known[id].changed = false
	}
	return b.tell(ids, seen)
}

func (b *Book) tell(ids []graph.ID, seen Seen) []ledger.Step {
	all := make([]ledger.Step, 0, len(ids))
	for _, id := range ids {
		e := b.known[id]
		s := ledger.Step{ID: id.String(), StepForm: e.form, Jobs: seen.Jobs(id), Ran: len(e.done), Cached: e.cached, NoCache: e.noCache,
			Seconds: float64(e.took.Milliseconds()) / 1000}
		for _, on := range e.on {
			s.On = append(s.On, on.String())
		}
		if bytes := e.bytes(id, seen); bytes > 0 {
			s.Bytes = &bytes
		}
		all = append(all, s)
	}
	return all
}

// bytes is what a step's result takes, of a base image all of its layers; 0 where that was not seen.
func (e *entry) bytes(id graph.ID, seen Seen) (sum int64) {
	if e.layers == nil {
		return seen.Bytes[id]
	}
	for _, layer := range e.layers {
		bytes := seen.Bytes[layer]
		if bytes == 0 {
			return 0
		}
		sum += bytes
	}
	return sum
}
