package lab

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the storage
	"github.com/sirupsen/logrus"
)

// RegistryOptions say how a registry runs. The zero value is an empty registry on a temporary
// directory.
type RegistryOptions struct {
	// Dir is where blobs are stored. Empty: a temporary directory that Close removes.
	Dir string
	// InMemory puts the temporary directory into memory (/dev/shm), if 4 GiB are free there. That
	// is much faster for many small images, since the registry syncs every file that it writes.
	InMemory bool
	// Addr is where the registry listens, "127.0.0.1:5000". Empty: a free port of 127.0.0.1.
	Addr string
	// Seed drives the choice of the requests that a Fault with a Fraction hits.
	Seed uint64
}

// Registry is a real container registry (CNCF distribution) on a loopback port, served by this
// process, that counts what it is asked and can be told to misbehave. All its methods may be
// called concurrently.
type Registry struct {
	host   string
	dir    string // removed by Close; empty when there is nothing to remove
	app    *handlers.App
	server *http.Server

	counter counter
	faults  faults
	auth    authority

	closeOnce sync.Once
	closeErr  error
}

// StartRegistry starts a registry; it answers as soon as this returns.
func StartRegistry(ctx context.Context, opts RegistryOptions) (*Registry, error) {
	quietDistribution()
	r := &Registry{}
	r.faults.seed(opts.Seed)
	if err := r.makeApp(opts); err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", cmp.Or(opts.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.host = listener.Addr().String()
	r.auth.realm = "http://" + r.host + tokenPath
	r.server = &http.Server{Handler: r.handler(), ReadHeaderTimeout: time.Minute}
	go r.server.Serve(listener)
	return r, nil
}

func (r *Registry) makeApp(opts RegistryOptions) error {
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"delete":      {"enabled": true},
			"cache":       {"blobdescriptor": "inmemory"},
			"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
		},
	}
	config.HTTP.Secret = rand.Text()
	config.Catalog.MaxEntries = 1000 // what a registry's own file of settings comes to
	dir := opts.Dir
	if dir == "" {
		made, err := registryDir(opts.InMemory)
		if err != nil {
			return err
		}
		dir, r.dir = made, made
	}
	config.Storage["filesystem"] = configuration.Parameters{"rootdirectory": dir}
	// The application lives until Close, not as long as the context of the start.
	r.app = handlers.NewApp(context.Background(), config)
	return nil
}

func registryDir(hold bool) (string, error) {
	if hold {
		return tempDirIn(inMemory(), "registry")
	}
	return tempDir("registry")
}

// handler is the way of a request: counted, then struck by faults, then authorized, then served.
func (r *Registry) handler() http.Handler {
	return r.counter.wrap(r.faults.wrap(r.auth.wrap(r.app)))
}

// Host is the registry's address, "127.0.0.1:PORT", as it stands at the front of references.
func (r *Registry) Host() string { return r.host }

// Close stops the registry, cuts what is still connected, and removes its temporary directory.
// It may be called more than once.
func (r *Registry) Close() error {
	r.closeOnce.Do(func() {
		if r.server != nil {
			r.closeErr = r.server.Close()
		}
		r.closeErr = errors.Join(r.closeErr, r.app.Shutdown())
		if r.dir != "" {
			r.closeErr = errors.Join(r.closeErr, removeAll(r.dir))
		}
	})
	return r.closeErr
}

// removeAll removes a directory into which requests that are just ending may still write.
func removeAll(dir string) error {
	var err error
	for range 20 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("remove %s: %w", dir, err)
}

// quietDistribution keeps distribution's log lines out of the output. Its logger cannot be set
// from outside, so its lines are told from others by a field that only it sets.
var quietDistribution = sync.OnceFunc(func() {
	logger := logrus.StandardLogger()
	logger.SetFormatter(withoutDistribution{logger.Formatter})
})

type withoutDistribution struct{ logrus.Formatter }

// Format implements logrus.Formatter.
func (f withoutDistribution) Format(entry *logrus.Entry) ([]byte, error) {
	if _, ok := entry.Data["go.version"]; ok {
		return nil, nil
	}
	return f.Formatter.Format(entry)
}
