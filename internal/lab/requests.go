package lab

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what a request to a registry is about.
type Kind string

// The kinds of requests.
const (
	KindManifest Kind = "manifest"
	KindBlob     Kind = "blob"
	KindUpload   Kind = "upload"
	KindOther    Kind = "other" // the version check, tags, tokens
)

// Requests are counts of what a registry was asked.
type Requests struct {
	// Total counts all requests, ByKind and ByStatus the same ones by what they are about and by
	// how they were answered. A connection that was cut before an answer counts as status 0.
	Total    int
	ByKind   map[Kind]int
	ByStatus map[int]int

	// ManifestGets and ManifestHeads count answered (200) requests by "REPOSITORY:TAG" or
	// "REPOSITORY@DIGEST"; ManifestPuts those stored.
	ManifestGets  map[string]int
	ManifestHeads map[string]int
	ManifestPuts  map[string]int

	// BlobGets counts, by digest, downloads that were served to the end; BlobHeads questions
	// whether a blob exists that were answered with yes; BlobPuts uploads that were stored.
	BlobGets  map[string]int
	BlobHeads map[string]int
	BlobPuts  map[string]int

	// Mounts counts blobs that were taken from another repository instead of an upload.
	Mounts int

	// BytesOut and BytesIn are the bytes of response and request bodies.
	BytesOut int64
	BytesIn  int64
}

func newRequests() Requests {
	return Requests{
		ByKind:        map[Kind]int{},
		ByStatus:      map[int]int{},
		ManifestGets:  map[string]int{},
		ManifestHeads: map[string]int{},
		ManifestPuts:  map[string]int{},
		BlobGets:      map[string]int{},
		BlobHeads:     map[string]int{},
		BlobPuts:      map[string]int{},
	}
}

// Uploads is how many blobs were stored.
func (n Requests) Uploads() (all int) {
	for _, times := range n.BlobPuts {
		all += times
	}
	return all
}

func (n Requests) clone() Requests {
	n.ByKind = maps.Clone(n.ByKind)
	n.ByStatus = maps.Clone(n.ByStatus)
	n.ManifestGets = maps.Clone(n.ManifestGets)
	n.ManifestHeads = maps.Clone(n.ManifestHeads)
	n.ManifestPuts = maps.Clone(n.ManifestPuts)
	n.BlobGets = maps.Clone(n.BlobGets)
	n.BlobHeads = maps.Clone(n.BlobHeads)
	n.BlobPuts = maps.Clone(n.BlobPuts)
	return n
}

// Requests is a copy of the counts since the start or the last Reset. A request whose whole answer
// the client has is among them.
func (r *Registry) Requests() Requests {
	r.counter.settle()
	r.counter.mu.Lock()
	defer r.counter.mu.Unlock()
	return r.counter.counts.clone()
}

// Reset sets all counts to zero.
func (r *Registry) Reset() {
	r.counter.settle()
	r.counter.mu.Lock()
	defer r.counter.mu.Unlock()
	r.counter.counts = newRequests()
}

// target is what a request's path names.
type target struct {
	kind Kind
	repo string
	ref  string // a manifest's tag or digest, a blob's digest
}

var targetPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|blobs/uploads)/([^/]*)$`)

func targetOf(r *http.Request) target {
	match := targetPath.FindStringSubmatch(r.URL.Path)
	if match == nil {
		return target{kind: KindOther}
	}
	t := target{repo: match[1], ref: match[3]}
	switch match[2] {
	case "manifests":
		t.kind = KindManifest
	case "blobs":
		t.kind = KindBlob
	default:
		t.kind = KindUpload
	}
	return t
}

// name is the reference of a manifest without the registry.
func (t target) name() string {
	if strings.Contains(t.ref, ":") {
		return t.repo + "@" + t.ref
	}
	return t.repo + ":" + t.ref
}

// settleTries is for how many milliseconds counts wait for answers that are on their way; a client
// that stopped reading must not hold them up for ever.
const settleTries = 200

type counter struct {
	mu     sync.Mutex
	counts Requests

	// ending counts requests whose last bytes are being sent: the client may have them already.
	ending atomic.Int64
}

// settle waits until what clients have seen answered is counted.
func (c *counter) settle() {
	for try := 0; try < settleTries && c.ending.Load() > 0; try++ {
		time.Sleep(time.Millisecond)
	}
}

func (c *counter) wrap(next http.Handler) http.Handler {
	c.counts = newRequests()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &countingWriter{ResponseWriter: w, counter: c}
		in := &countingBody{ReadCloser: r.Body}
		r.Body = in
		// A cut connection leaves the handlers as a panic; it is counted on its way out.
		defer func() { c.add(r, out, in.bytes) }()
		next.ServeHTTP(out, r)
	})
}

func (c *counter) add(r *http.Request, out *countingWriter, in int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if out.ending {
		defer c.ending.Add(-1)
	}
	t := targetOf(r)
	n := &c.counts
	n.Total++
	n.ByKind[t.kind]++
	n.ByStatus[out.status]++
	n.BytesIn += in
	n.BytesOut += out.bytes
	switch t.kind {
	case KindManifest:
		n.addManifest(r.Method, out.status, t.name())
	case KindBlob:
		n.addBlob(r.Method, out, t.ref)
	case KindUpload:
		n.addUpload(r, out.status)
	}
}

func (n *Requests) addManifest(method string, status int, name string) {
	switch {
	case method == http.MethodGet && status == http.StatusOK:
		n.ManifestGets[name]++
	case method == http.MethodHead && status == http.StatusOK:
		n.ManifestHeads[name]++
	case method == http.MethodPut && status == http.StatusCreated:
		n.ManifestPuts[name]++
	}
}

func (n *Requests) addBlob(method string, out *countingWriter, digest string) {
	served := out.status == http.StatusOK || out.status == http.StatusPartialContent
	switch {
	case method == http.MethodGet && served && out.complete():
		n.BlobGets[digest]++
	case method == http.MethodHead && served:
		n.BlobHeads[digest]++
	}
}

func (n *Requests) addUpload(r *http.Request, status int) {
	if status != http.StatusCreated {
		return
	}
	if r.Method == http.MethodPost && r.URL.Query().Has("mount") {
		n.Mounts++
		return
	}
	n.BlobPuts[r.URL.Query().Get("digest")]++
}

// countingWriter notes what a response is. It hides the connection's own ReadFrom, so that every
// byte passes Write.
type countingWriter struct {
	http.ResponseWriter
	counter *counter
	status  int
	bytes   int64
	ending  bool
}

// WriteHeader implements http.ResponseWriter.
func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *countingWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if !w.ending && w.announced() == w.bytes+int64(len(p)) {
		w.ending = true
		w.counter.ending.Add(1)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// announced is the length that the response has according to its header, -1 if that is silent.
func (w *countingWriter) announced() int64 {
	length, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return length
}

// complete tells whether all announced bytes were written.
func (w *countingWriter) complete() bool {
	length := w.announced()
	return length < 0 || length == w.bytes
}

type countingBody struct {
	io.ReadCloser
	bytes int64
}

// Read implements io.Reader.
func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	return n, err
}
