package live

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/page"
)

const (
	// glance is how often the small parts of the page are made anew while somebody looks,
	// and drawing how often the large ones.
	glance  = time.Second
	drawing = 5 * time.Second
	// patience is how long a viewer may take for what it is sent.
	patience = 10 * time.Second
	// mostViewers may look at once.
	mostViewers = 100
	// mostRows are sent at once, and mostLog bytes of a log.
	mostRows = 500
	mostLog  = 256 << 10
	// lastWords is how long viewers may take for the end.
	lastWords = 2 * time.Second
)

// Server serves a run's page. Its methods may be called concurrently.
type Server struct {
	run   *Run
	token string // empty where only this machine can ask
	http  http.Server
	at    net.Addr
	url   string
	ended chan struct{} // closed when the server is to end

	mu      sync.Mutex // guards what follows
	viewers int
	small   made              // the parts that are made often
	large   made              // those that are made seldom
	parts   map[string]string // as they were made last
}

// AddressError tells that there is no page at an address.
type AddressError struct {
	Address string
	Err     error
}

// Error implements error.
func (e *AddressError) Error() string {
	return fmt.Sprintf("%q: %s: give an address such as 127.0.0.1:8080, or :0 for a free port of this machine", e.Address, e.Err)
}

// Unwrap returns why.
func (e *AddressError) Unwrap() error { return e.Err }

// Serve begins to serve a run's page at an address such as 127.0.0.1:8080. Without a host it
// is that of this machine alone. From elsewhere it is shown only to who has the token
// that is part of the server's URL. The error is an *AddressError.
func Serve(address string, run *Run) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &AddressError{address, errors.New("it is no HOST:PORT")}
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, &AddressError{address, cause(err)}
	}
	s := &Server{run: run, at: listener.Addr(), ended: make(chan struct{})}
	at := listener.Addr().(*net.TCPAddr)
	s.url = "http://" + at.String() + "/"
	if !at.IP.IsLoopback() {
		s.token = rand.Text()
		name := host
		if at.IP.IsUnspecified() {
			if name, err = os.Hostname(); err != nil {
				name = host
			}
		}
		s.url = fmt.Sprintf("http://%s/?token=%s", net.JoinHostPort(name, strconv.Itoa(at.Port)), s.token)
	}
	s.http = http.Server{Handler: s.handler(), ReadHeaderTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

// cause is why an address cannot be listened at, without what a reader of the address knows.
func cause(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// URL is where the page is.
func (s *Server) URL() string { return s.url }

// Close tells viewers that the run has ended, and ends.
func (s *Server) Close() error {
	close(s.ended)
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.servePage)
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("GET /log", s.serveLog)
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", page.Policy()+"; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !s.allowed(w, r) {
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	whole, err := s.run.page()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	answer(w, whole)
}

// serveMetrics answers scrapes, in bounded time.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)); err == nil {
		s.run.numbers().ServeHTTP(w, r)
	}
}

// serveEvents tells one viewer what is new, until it goes or the run ends.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		http.Error(w, "too many are looking already", http.StatusServiceUnavailable)
		return
	}
	defer s.leave()
	v := viewer{w: w, control: http.NewResponseController(w), shown: map[string]string{}}
	v.rows, _ = strconv.Atoi(r.URL.Query().Get("rows"))
	w.Header().Set("Content-Type", "text/event-stream")
	of := r.URL.Query().Get("run")
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		if s.run.name() != of {
			_ = v.send("again", true)
			return
		}
		_, ended := s.run.changed() // before it is told, so that the end is
		if err := s.tell(&v); err != nil {
			return
		}
		if ended && !v.ended {
			if err := v.send("end", !s.run.followed); err != nil || !s.run.followed {
				return
			}
		}
		v.ended = ended
		select {
		case <-r.Context().Done():
			return
		case <-s.ended:
			if s.tell(&v) == nil {
				_ = v.send("end", true)
			}
			return
		case <-ticker.C:
		}
	}
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.viewers == mostViewers {
		return false
	}
	s.viewers++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewers--
}

// viewer is somebody who looks, and what was sent to them.
type viewer struct {
	w       io.Writer
	control *http.ResponseController
	rows    int
	shown   map[string]string
	ended   bool // which it was told
}

func (v *viewer) send(kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if err := v.control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(v.w, "event: %s\ndata: %s\n\n", kind, text); err != nil {
		return err
	}
	return v.control.Flush()
}

// tell sends a viewer what it has not seen.
func (s *Server) tell(v *viewer) error {
	parts, err := s.make()
	if err != nil {
		return err
	}
	fresh := map[string]string{}
	for name, text := range parts {
		if v.shown[name] != text {
			fresh[name], v.shown[name] = text, text
		}
	}
	if len(fresh) > 0 {
		if err := v.send("parts", fresh); err != nil {
			return err
		}
	}
	for {
		rows, err := s.run.rows(v.rows, mostRows)
		if err != nil || len(rows) == 0 {
			return err
		}
		v.rows += len(rows)
		if err := v.send("rows", rows); err != nil {
			return err
		}
	}
}

// make returns the parts of the page, made once for all who look.
func (s *Server) make() (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ended := s.run.changed()
	now := time.Now()
	var names []string
	if n != s.small.of && (ended || now.Sub(s.small.at) >= glance*9/10) {
		s.small = made{n, now}
		names = append(names, "head", "now")
	}
	large := n != s.large.of && (ended || now.Sub(s.large.at) >= drawing)
	if large {
		s.large = made{n, now}
		names = append(names, "failures", "over-time", "bytes", "time", "costs", "tree")
	}
	if len(names) == 0 {
		return s.parts, nil
	}
	fresh, err := s.run.parts(large, names...)
	if err != nil {
		return nil, err
	}
	parts := maps.Clone(s.parts)
	if parts == nil {
		parts = map[string]string{}
	}
	maps.Copy(parts, fresh)
	s.parts = parts
	return parts, nil
}

// made is of which changes parts are, and when they were made.
type made struct {
	of int
	at time.Time
}

// answer sends an answer, in bounded time.
func answer(w http.ResponseWriter, body []byte) {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)); err == nil {
		_, _ = w.Write(body)
	}
}
