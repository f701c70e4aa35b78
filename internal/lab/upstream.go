package lab

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/buildkitd"
)

// nowhere is where nothing listens: what goes there as to a proxy is refused at once.
const nowhere = "http://127.0.0.1:1"

// Upstream is how a daemon reaches a registry outside of the lab by its public name. A daemon that
// has one reaches nothing else outside of this machine, so that a test means the same wherever it
// runs.
type Upstream struct {
	// Name is the registry as it stands at the front of references: "docker.io", "ghcr.io".
	Name string
	// Mirrors are the registries (HOST:PORT, plain HTTP) that are asked before it, in this order.
	Mirrors []string
	// Origin is the registry (HOST:PORT) that answers as the upstream itself. Empty: it is out of
	// reach, and connections to it are refused.
	Origin string
}

// Mirrored are upstreams that are out of reach, with one registry (HOST:PORT) as the mirror of all.
func Mirrored(mirror string, names ...string) []Upstream {
	var upstreams []Upstream
	for _, name := range names {
		upstreams = append(upstreams, Upstream{Name: name, Mirrors: []string{mirror}})
	}
	return upstreams
}

// configureRegistries sets how a daemon reaches registries.
func configureRegistries(c buildkitd.Config, insecure []string, upstreams []Upstream) {
	plain := slices.Clone(insecure)
	for _, u := range upstreams {
		c.Set(u.Mirrors, "registry", u.Name, "mirrors")
		c.Set(u.Origin != "", "registry", u.Name, "http")
		plain = append(plain, u.Mirrors...)
	}
	for _, host := range plain {
		c.Set(true, "registry", host, "http")
	}
}

// outside stands between a daemon and all that is not on this machine: a proxy that leads the
// names of upstreams to the registries that answer for them. It is given to the daemon by the
// usual environment variables, which BuildKit's resolver follows (newDefaultTransport in its
// util/resolver) and does not pass on to steps.
type outside struct {
	addr      string
	server    *http.Server
	transport *http.Transport
}

// startOutside starts the proxy.
func startOutside(ctx context.Context, upstreams []Upstream) (*outside, error) {
	origins := map[string]string{}
	for _, u := range upstreams {
		if u.Origin != "" {
			origins[apiHost(u.Name)] = u.Origin
		}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &outside{addr: listener.Addr().String(), transport: &http.Transport{}}
	o.server = &http.Server{Handler: o.handler(origins), ReadHeaderTimeout: time.Minute}
	go o.server.Serve(listener)
	return o, nil
}

// apiHost is the host that BuildKit asks for a registry's images (NewRegistryConfig in its
// util/resolver).
func apiHost(name string) string {
	if name == "docker.io" {
		return "registry-1.docker.io"
	}
	return name
}

func (o *outside) handler(origins map[string]string) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: o.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Host = origins[r.In.Host]
			// The registry's answers lead back to the name that it was asked by.
			r.Out.Host = r.In.Host
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origins[r.Host] == "" {
			cut()
		}
		proxy.ServeHTTP(w, r)
	})
}

// environment are the variables that lead a daemon's requests here. Encrypted ones are refused:
// upstreams with an origin speak plain HTTP.
func (o *outside) environment() []string {
	here := []string{"NO_PROXY=127.0.0.1,localhost", "HTTP_PROXY=http://" + o.addr, "HTTPS_PROXY=" + nowhere}
	for _, setting := range here {
		name, value, _ := strings.Cut(setting, "=")
		here = append(here, strings.ToLower(name)+"="+value)
	}
	return here
}

// Close ends the proxy and cuts what is still connected.
func (o *outside) Close() error {
	err := o.server.Close()
	o.transport.CloseIdleConnections()
	return err
}
