package lab

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one way for a registry to misbehave. Its first fields choose requests, an empty one
// choosing all; the others say what happens to a chosen request, and may be combined.
//
// Large: a field for each way to choose requests, and for each way to fail.
type Fault struct {
	// Kind, Method and Digest choose by what is asked; Repo by repository, a trailing "*" standing
	// for any end. Match, if set, decides on top.
	Kind   Kind
	Method string
	Digest string
	Repo   string
	Match  func(*http.Request) bool
	// Fraction of the chosen requests is hit, by the registry's seeded random numbers; 0 is all.
	Fraction float64
	// Times is how many requests are hit before the fault is spent; 0 is no limit.
	Times int

	// Status is answered instead of serving the request, for instance 429, 500, 503 or 403.
	Status int
	// RetryAfter goes with Status as the Retry-After header, in whole seconds.
	RetryAfter time.Duration
	// Header goes with the answer, whichever it is, such as that of a limit.
	Header http.Header
	// Delay passes before the request is looked at.
	Delay time.Duration
	// BytesPerSecond limits the speed of the response body.
	BytesPerSecond int
	// Cut breaks the connection after CutAfter bytes of the response body; with 0 no answer comes.
	Cut      bool
	CutAfter int64
	// Corrupt changes one byte of the response body; its length stays right.
	Corrupt bool
}

// LimitHeader is how Docker Hub tells of its limit.
func LimitHeader(total, remaining int, window time.Duration) http.Header {
	h := http.Header{}
	for name, n := range map[string]int{"ratelimit-limit": total, "ratelimit-remaining": remaining} {
		h.Set(name, fmt.Sprintf("%d;w=%d", n, int(window.Seconds())))
	}
	return h
}

// Inject makes the registry misbehave until the returned function is called or the fault is
// spent. Faults are tried in the order of their injection; the first that hits is the only one.
func (r *Registry) Inject(f Fault) (remove func()) {
	return r.faults.inject(f)
}

// Down breaks every connection, new ones included, until Up.
func (r *Registry) Down() { r.faults.setDown(true) }

// Up ends Down.
func (r *Registry) Up() { r.faults.setDown(false) }

// DownFor breaks every connection for a while, from now on. It does not wait.
func (r *Registry) DownFor(d time.Duration) {
	r.Down()
	time.AfterFunc(d, r.Up)
}

type faults struct {
	mu    sync.Mutex
	rng   *rand.Rand
	rules []*rule
	down  bool
}

type rule struct {
	Fault
	hits int
}

func (f *faults) seed(seed uint64) { f.rng = rand.New(rand.NewPCG(seed, seed)) }

func (f *faults) inject(fault Fault) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	added := &rule{Fault: fault}
	f.rules = append(f.rules, added)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.rules = slices.DeleteFunc(f.rules, func(r *rule) bool { return r == added })
	}
}

func (f *faults) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// hit is the fault that strikes a request, if one does.
func (f *faults) hit(r *http.Request) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return Fault{Cut: true}, true
	}
	for _, rule := range f.rules {
		spent := rule.Times > 0 && rule.hits >= rule.Times
		if spent || !rule.chooses(r) {
			continue
		}
		if rule.Fraction > 0 && f.rng.Float64() >= rule.Fraction {
			continue
		}
		rule.hits++
		return rule.Fault, true
	}
	return Fault{}, false
}

func (f *Fault) chooses(r *http.Request) bool {
	t := targetOf(r)
	switch {
	case f.Kind != "" && f.Kind != t.kind,
		f.Method != "" && f.Method != r.Method,
		f.Digest != "" && f.Digest != t.ref,
		f.Repo != "" && !matchRepo(f.Repo, t.repo):
		return false
	}
	return f.Match == nil || f.Match(r)
}

func matchRepo(pattern, repo string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(repo, prefix)
	}
	return pattern == repo
}

func (f *faults) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault, ok := f.hit(r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		fault.serve(w, r, next)
	})
}

// serve answers a request that the fault hit.
func (f *Fault) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if !pause(r, f.Delay) {
		return
	}
	maps.Copy(w.Header(), f.Header)
	switch {
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
		}
		writeError(w, f.Status)
	case f.Cut && f.CutAfter == 0:
		cut()
	default:
		next.ServeHTTP(&faultyWriter{ResponseWriter: w, fault: f, request: r}, r)
	}
}

// pause waits, and tells whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(d):
		return true
	}
}

// cut breaks the connection of the running request; net/http takes the panic as that wish.
func cut() { panic(http.ErrAbortHandler) }

// errorCodes are the error codes of the distribution API that go with statuses.
var errorCodes = map[int]string{
	http.StatusUnauthorized:    "UNAUTHORIZED",
	http.StatusForbidden:       "DENIED",
	http.StatusTooManyRequests: "TOOMANYREQUESTS",
	http.StatusNotFound:        "NAME_UNKNOWN",
}

// writeError answers as a registry does.
func writeError(w http.ResponseWriter, status int) {
	code, ok := errorCodes[status]
	if !ok {
		code = "UNKNOWN"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body := `{"errors":[{"code":"` + code + `","message":"` + strings.ToLower(http.StatusText(status)) + `"}]}`
	// The client may be gone; there is nobody else to tell.
	_, _ = w.Write([]byte(body))
}

// slowChunk is how much a slow response sends at a time.
const slowChunk = 4 << 10

// faultyWriter spoils a response body.
type faultyWriter struct {
	http.ResponseWriter
	fault   *Fault
	request *http.Request
	written int64
	began   time.Time // when a slow body began
}

// Write implements http.ResponseWriter.
func (w *faultyWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := w.writeChunk(p[done:])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (w *faultyWriter) writeChunk(p []byte) (int, error) {
	if w.fault.BytesPerSecond > 0 {
		p = p[:min(len(p), slowChunk)]
		if !pause(w.request, w.early(len(p))) {
			return 0, w.request.Context().Err()
		}
	}
	if w.fault.Cut {
		w.cutWithin(p)
	}
	if w.fault.Corrupt && w.written == 0 && len(p) > 0 {
		p = slices.Clone(p)
		p[len(p)/2] ^= 0xff
	}
	n, err := w.ResponseWriter.Write(p)
	w.written += int64(n)
	return n, err
}

// early is how long the next n bytes of a slow body have to wait. It goes by when the body began, since
// a timer takes a millisecond more than it was asked for, each time.
func (w *faultyWriter) early(n int) time.Duration {
	if w.began.IsZero() {
		w.began = time.Now()
	}
	due := time.Duration(float64(w.written+int64(n)) / float64(w.fault.BytesPerSecond) * float64(time.Second))
	return time.Until(w.began.Add(due))
}

// cutWithin cuts the connection if p reaches the place to cut, after what comes before it.
func (w *faultyWriter) cutWithin(p []byte) {
	left := w.fault.CutAfter - w.written
	if int64(len(p)) < left {
		return
	}
	_, _ = w.ResponseWriter.Write(p[:left])
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	cut()
}
