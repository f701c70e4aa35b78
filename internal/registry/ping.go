package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// pings is a transport that answers a registry's GET /v2/ from memory once it
// has been answered. go-containerregistry asks it anew for every repository
// (Ping in its remote/transport); the answer, whether and where to
// authenticate, is the registry's and the same for all of them.
type pings struct {
	next http.RoundTripper

	mu    sync.Mutex
	known map[string]pong // by host
}

type pong struct {
	scheme string
	status int
	header http.Header
}

var errOtherScheme = errors.New("the registry is known to answer under the other scheme")

// RoundTrip implements http.RoundTripper.
func (p *pings) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.URL.Path != "/v2/" {
		return p.next.RoundTrip(req)
	}
	if a, ok := p.recall(req.URL.Host); ok {
		if a.scheme != req.URL.Scheme {
			return nil, errOtherScheme
		}
		return a.response(req), nil
	}
	resp, err := p.next.RoundTrip(req)
	if err == nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized) {
		p.remember(req.URL.Host, pong{req.URL.Scheme, resp.StatusCode, resp.Header.Clone()})
	}
	return resp, err
}

func (p *pings) recall(host string) (pong, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.known[host]
	return a, ok
}

func (p *pings) remember(host string, a pong) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[host] = a
}

// response is the remembered answer, without its body: nobody reads it.
func (a pong) response(req *http.Request) *http.Response {
	return &http.Response{
		Status:     http.StatusText(a.status),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  a.header.Clone(),
		Body:    io.NopCloser(bytes.NewReader(nil)),
		Request: req,
	}
}
