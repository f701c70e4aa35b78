// Package builder is the only room that talks to a builder. It finds or starts
// one, builds one job at a time through buildx's own build package, and lists
// and deletes the records of its cache.
package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
	buildxbuilder "github.com/docker/buildx/builder"
	"github.com/docker/buildx/driver"
	"github.com/docker/buildx/store"
	"github.com/docker/buildx/util/confutil"
	"github.com/docker/buildx/util/dockerutil"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config/types"
	"github.com/docker/cli/cli/flags"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

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
	// Secret is told of the secrets that docker's configuration, or a program that it
	// names, gives out for registries, before the builder has them; may be nil.
	Secret func(values ...string)
	// Getenv reads the environment; os.Getenv when nil.
	Getenv func(string) string
}

// UnreachableError says that no builder could be reached, and what was tried.
type UnreachableError struct {
	Tried []string
	// Asked is how the one builder was asked for that was tried, such as
	// --builder; empty where Stoker looked for one.
	Asked string
	// Busy tells that the private builder is another run's now.
	Busy bool
	// Remedies are lines that say what gets the parts of a private builder that are
	// missing.
	Remedies []string
}

func (e *UnreachableError) Error() string {
	text := "no BuildKit builder could be reached. Tried:\n  " + strings.Join(e.Tried, "\n  ")
	switch {
	case e.Busy: // what to do stands there
		return text
	case e.Asked != "":
		return text + "\nStart that builder or name another (\"docker buildx ls\" lists those of buildx), or leave " + e.Asked + "\n" +
			"away: Stoker then looks for one, or starts one of its own."
	}
	return text + "\n" + strings.Join(slices.Concat(e.Remedies, waysToGet(runtime.GOOS)), "\n")
}

// waysToGet are what a person can do on an operating system to get a builder other
// than a private one.
func waysToGet(system string) []string {
	if system != "linux" {
		return []string{"To get one, do one of these:",
			"  start docker, such as Docker Desktop: stoker then builds with its current builder",
			"  --builder ADDRESS of a buildkitd on a Linux machine, such as tcp://builder.example:1234 or ssh://builder.example"}
	}
	return []string{"To use a builder that is there:",
		"  docker buildx create --use",
		"  --builder ADDRESS of a running buildkitd, such as unix:///run/buildkit/buildkitd.sock"}
}

// How long a builder that is asked for may take to answer.
const reachTimeout = 20 * time.Second

// Builder is a builder that was reached: one or more nodes that build together.
// Its methods may be called concurrently.
type Builder struct {
	reached
	cli     command.Cli
	config  *confutil.Config
	auth    authprovider.AuthConfigProvider
	images  *images
	around  *surroundings
	private *private
	history history
	// unreached says which of several builders could not be reached.
	unreached []string
}

// reached is the nodes that answered.
type reached struct {
	name  string
	nodes []buildxbuilder.Node
	// workers and roots are what the nodes say of themselves, and where they keep
	// their caches, at the same places.
	workers []worker
	roots   []string
	pushed  *pushed // nil where docker's own image store has no part
	exports *exports
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
	getenv := opt.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	b := &Builder{cli: cli, auth: tellingSecrets(opt.Secret, credentials.New().ForBuilds(cli)), images: newImages(), around: &surroundings{contents: newContents()},
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
		if err := b.openAll(ctx, asked.from, asked.names); err != nil {
			return nil, err
		}
		return b, nil
	}
	tried := []string{"--builder, BUILDX_BUILDER, BUILDKIT_HOST: not set"}
	if err := b.openBuildx(ctx, ""); err == nil {
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
	if err := b.openAddress(ctx, "private", b.private.address); err != nil {
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

// openAll opens builders whose nodes build together. Of several, those that cannot be
// reached are left out, as nodes of one are, where others can.
func (b *Builder) openAll(ctx context.Context, from string, names []string) error {
	var all []reached
	for _, name := range names {
		b.reached = reached{}
		if err := b.open(ctx, name); err != nil {
			b.unreached = append(b.unreached, fmt.Sprintf("%s %s: %s", from, name, reason(err)))
			continue
		}
		all = append(all, b.reached)
	}
	if len(all) == 0 {
		return &UnreachableError{Asked: from, Tried: b.unreached}
	}
	b.reached = all[0]
	for _, one := range all[1:] {
		if err := b.join(one); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	return nil
}

// join adds the nodes of another builder.
func (r *reached) join(other reached) error {
	if r.pushed != nil || other.pushed != nil {
		return errors.New("docker's own builder cannot build together with others: name those alone, or \"docker buildx create\" one beside it")
	}
	for _, n := range other.nodes {
		if slices.ContainsFunc(r.nodes, func(has buildxbuilder.Node) bool { return has.Name == n.Name }) {
			return fmt.Errorf("the node %s is named twice", n.Name)
		}
	}
	r.name += ", " + other.name
	r.nodes, r.workers, r.roots = append(r.nodes, other.nodes...), append(r.workers, other.workers...), append(r.roots, other.roots...)
	return nil
}

// Unreached says which of several builders that were named could not be reached.
func (b *Builder) Unreached() []string { return b.unreached }

func (b *Builder) open(ctx context.Context, name string) error {
	if strings.Contains(name, "://") {
		return b.openAddress(ctx, name, name)
	}
	return b.openBuildx(ctx, name)
}

// openAddress connects to a bare address through buildx's remote driver.
func (b *Builder) openAddress(ctx context.Context, name, address string) error {
	factory, err := driver.GetFactory("remote", true)
	if err != nil {
		return err
	}
	d, err := driver.GetDriver(ctx, factory, driver.InitConfig{Name: name, EndpointAddr: address})
	if err != nil {
		return err
	}
	// The driver would wait for an address where nobody listens.
	if err := dial(ctx, d); err != nil {
		return err
	}
	b.name = name
	node := nodeName(name, runtime.GOOS)
	b.nodes = []buildxbuilder.Node{{Builder: node, Node: store.Node{Name: node, Endpoint: address}, Driver: d}}
	return b.reach(ctx)
}

// notInNames are characters of addresses that names of files cannot have on Windows.
var notInNames = regexp.MustCompile(`[:/?*"<>|\\]+`)

// nodeName returns how a node at an address is called. buildx makes directories of
// that name.
func nodeName(address, system string) string {
	if system == "windows" {
		return notInNames.ReplaceAllString(address, "-")
	}
	return address
}

func dial(ctx context.Context, d *driver.DriverHandle) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	conn, err := d.Dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// openBuildx loads a builder that buildx knows by name; the current one for "".
func (b *Builder) openBuildx(ctx context.Context, name string) error {
	bx, err := buildxbuilder.New(b.cli, buildxbuilder.WithName(name))
	if err != nil {
		return err
	}
	b.name = bx.Name
	if b.nodes, err = bx.LoadNodes(ctx); err != nil {
		return err
	}
	return b.reach(ctx)
}

// reach boots every node and makes sure that at least one answers.
func (b *Builder) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	err := errors.New("it has no nodes")
	var answering []buildxbuilder.Node
	var workers []worker
	for _, n := range b.nodes {
		if n.Err != nil {
			err = n.Err
			continue
		}
		w, bootErr := bootNode(ctx, n)
		if bootErr != nil {
			err = bootErr
			continue
		}
		answering, workers = append(answering, n), append(workers, w)
	}
	if len(answering) == 0 {
		return err
	}
	b.nodes, b.workers, b.roots = answering, workers, make([]string, len(answering))
	for i, n := range answering {
		b.roots[i] = b.rootOf(ctx, n)
		if n.Driver.IsMobyDriver() { // it has one node
			b.pushed = &pushed{api: n.Driver.Config().DockerAPI, tags: map[string]pushedTag{}}
			b.exports = newExports()
		}
	}
	return nil
}

// worker is what a node says of itself.
type worker struct {
	id        string              // which it keeps with its cache
	platforms []ocispecs.Platform // the one of its machine first
	clock     *clock
}

// bootNode makes sure that a node answers.
func bootNode(ctx context.Context, n buildxbuilder.Node) (worker, error) {
	c, err := driver.Boot(ctx, context.WithoutCancel(ctx), n.Driver, nil)
	if err != nil {
		return worker{}, err
	}
	list, err := c.ListWorkers(ctx)
	if err != nil {
		return worker{}, err
	}
	w := worker{platforms: n.Node.Platforms, clock: &clock{}}
	if len(list) > 0 {
		w.id = list[0].ID
		w.platforms = append(w.platforms, list[0].Platforms...)
	}
	if len(w.platforms) == 0 {
		w.platforms = []ocispecs.Platform{platforms.DefaultSpec()}
	}
	return w, nil
}

// Name is the builder's name as a person would recognise it.
func (b *Builder) Name() string { return b.name }

// Exclusive tells that nobody else uses this builder.
func (b *Builder) Exclusive() bool { return b.private != nil }

// Close releases the builder. A private one is stopped; its cache stays.
func (b *Builder) Close() error {
	for _, n := range b.nodes {
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

// tellingSecrets tells of each secret that a provider gives out.
func tellingSecrets(secret func(values ...string), next authprovider.AuthConfigProvider) authprovider.AuthConfigProvider {
	if secret == nil {
		return next
	}
	return func(ctx context.Context, host string, scope []string, check authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		auth, err := next(ctx, host, scope, check)
		secret(auth.Password, auth.Auth, auth.IdentityToken, auth.RegistryToken)
		return auth, err
	}
}

func (b *Builder) docker() *dockerutil.Client { return dockerutil.NewClient(b.cli) }
