// Package builder is the only room that talks to a builder. It finds or starts
// one, builds one job at a time through buildx's own build package, and lists
// and deletes the records of its cache.
package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/confutil"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	// The kinds of builders that buildx knows.
	_ "github.com/docker/buildx/driver/docker"
	_ "github.com/docker/buildx/driver/docker-container"
	_ "github.com/docker/buildx/driver/kubernetes"
	_ "github.com/docker/buildx/driver/remote"

	"github.com/stoker-build/stoker/internal/credentials"
)

// Options say which builder to use.
type Options struct {
	// Names are buildx builders' names or addresses such as
	// unix:///run/buildkit/buildkitd.sock, whose nodes build together; none to find one.
	Names []string
	// TLS is for those of them that are tcp:// addresses.
	TLS TLS
	// Buildkitd is the path of the buildkitd to start when no builder is found;
	// empty to look beside the program and on PATH.
	Buildkitd string
	// BuildkitdConfig is a buildkitd.toml for the private builder; empty for none.
	BuildkitdConfig string
	// StateDir is where a private builder keeps its root, and Stoker its own
	// buildx state.
	StateDir string
	// ExistingOnly never starts a private builder.
	ExistingOnly bool
	// InsecureRegistries are hosts that a private builder talks to without TLS.
	InsecureRegistries []string
	// Credentials are those for registries; docker's own when nil.
	Credentials *credentials.Store
	// Getenv reads the environment; os.Getenv when nil.
	Getenv func(string) string
}

// Builder is a builder that was reached: one or more nodes that build together.
// Its methods may be called concurrently.
//
// Large: all that is asked of a builder is asked of it; its files are by what that is.
type Builder struct {
	opener
	mu sync.Mutex // guards nodes, workers and roots of reached, once it is connected
	reached
	config  *confutil.Config
	auth    authprovider.AuthConfigProvider
	images  *images
	around  *surroundings
	history history
	// leftOut says which of several builders cannot be reached, and have no nodes that
	// may come late.
	leftOut []string
}

// Connect finds a builder and makes sure that it answers. It looks, in this
// order, at opt.Names, BUILDX_BUILDER, BUILDKIT_HOST and docker's current
// builder, and then starts a private buildkitd. A builder that was asked for by
// name is never replaced by another. The result must be closed. When nothing
// can be reached the error is an *UnreachableError.
func Connect(ctx context.Context, opt Options) (*Builder, error) {
	cli, err := dockerCLI()
	if err != nil {
		return nil, err
	}
	tls, err := opt.TLS.driverOptions()
	if err != nil {
		return nil, err
	}
	getenv := opt.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	b := &Builder{opener: opener{cli: cli, tls: tls}, auth: cmp.Or(opt.Credentials, credentials.New()).ForBuilds(cli), images: newImages(), around: newSurroundings(),
		config: confutil.NewConfig(cli, confutil.WithDir(filepath.Join(opt.StateDir, "buildx")))}

	for _, asked := range []struct {
		from  string
		names []string
	}{
		{"--builder", opt.Names},
		{"BUILDX_BUILDER", oneName(getenv("BUILDX_BUILDER"))},
		{"BUILDKIT_HOST", oneName(getenv("BUILDKIT_HOST"))},
	} {
		if len(asked.names) == 0 {
			continue
		}
		if err := opt.TLS.isFor(asked.names); err != nil {
			return nil, err
		}
		if err := b.openAll(ctx, asked.from, asked.names); err != nil {
			return nil, err
		}
		return b, nil
	}
	if err := opt.TLS.isFor(nil); err != nil {
		return nil, err
	}
	tried := []string{"--builder, BUILDX_BUILDER, BUILDKIT_HOST: not set"}
	if b.reached, err = b.openBuildx(ctx, ""); err == nil {
		return b, nil
	} else {
		tried = append(tried, "docker's current builder: "+reason(err))
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if opt.ExistingOnly {
		return nil, &UnreachableError{Tried: tried}
	}
	config, err := readConfig(opt.BuildkitdConfig)
	if err != nil {
		return nil, err
	}
	if b.private, err = startPrivate(ctx, opt, config); err != nil {
		return nil, &UnreachableError{Tried: append(tried, "a private buildkitd: "+reason(err)), Busy: errors.Is(err, errBusy), Remedies: remedies(err)}
	}
	if b.reached, err = b.openAddress(ctx, "private", b.private.address); err != nil {
		return nil, errors.Join(&UnreachableError{Tried: append(tried, "a private buildkitd: "+reason(err))}, b.private.close())
	}
	return b, nil
}

// dockerCLI makes what buildx needs of the docker command line: its
// configuration, contexts and credentials. No docker daemon is asked.
func dockerCLI() (command.Cli, error) {
	cli, err := command.NewDockerCli(command.WithCombinedStreams(io.Discard))
	if err != nil {
		return nil, err
	}
	return cli, cli.Initialize(flags.NewClientOptions())
}

// reason shortens an error to the line that a person needs.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded {
		return fmt.Sprintf("it did not answer within %s", reachTimeout)
	}
	s := strings.TrimSpace(err.Error())
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	return s
}

func oneName(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// LeftOut says which of several builders that were named have no part: they cannot be
// reached, and it is not known of what nodes they are.
func (b *Builder) LeftOut() []string { return b.leftOut }

// Name is the builder's name as a person would recognise it.
func (b *Builder) Name() string { return b.name }

// Exclusive tells that nobody else uses this builder.
func (b *Builder) Exclusive() bool { return b.private != nil }

// Close releases the builder. A private one is stopped; its cache stays.
func (b *Builder) Close() error {
	for _, n := range b.bxNodes() {
		if c, err := n.Driver.Client(context.Background()); err == nil {
			_ = c.Close()
		}
	}
	// buildx keeps a note of each build for its desktop front end; nobody else
	// reads those of this directory.
	_ = os.RemoveAll(filepath.Join(b.config.Dir(), "refs"))
	if b.private != nil {
		return b.private.close()
	}
	return nil
}

// options completes a job's options with what the builder knows.
func (b *Builder) options(o build.Options) build.Options {
	o.Session = append(slices.Clip(o.Session), b.credentials())
	return o
}

// credentials are docker's for registries, which a builder may ask for.
func (b *Builder) credentials() session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: b.auth})
}
