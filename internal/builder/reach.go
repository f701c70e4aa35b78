package builder

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	buildxbuilder "github.com/docker/buildx/builder"
	"github.com/docker/buildx/driver"
	"github.com/docker/buildx/store"
	"github.com/docker/buildx/util/dockerutil"
	"github.com/docker/cli/cli/command"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// How long a builder that is asked for may take to answer.
const reachTimeout = 20 * time.Second

// opener opens builders.
type opener struct {
	cli     command.Cli
	private *private // the builder that was started; nil for none
}

func (o *opener) docker() *dockerutil.Client { return dockerutil.NewClient(o.cli) }

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

// openAll opens builders whose nodes build together. Of several, those that cannot be
// reached are left out, as nodes of one are, where others can.
func (b *Builder) openAll(ctx context.Context, from string, names []string) error {
	var all []reached
	for _, name := range names {
		one, err := b.open(ctx, name)
		if err != nil {
			b.unreached = append(b.unreached, fmt.Sprintf("%s %s: %s", from, name, reason(err)))
			continue
		}
		all = append(all, one)
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
	for i, w := range other.workers {
		if same := slices.IndexFunc(r.workers, func(has worker) bool { return has.id != "" && has.id == w.id }); same >= 0 {
			return fmt.Errorf("%s and %s are the same daemon", r.nodes[same].Name, other.nodes[i].Name)
		}
	}
	r.name += ", " + other.name
	r.nodes, r.workers, r.roots = append(r.nodes, other.nodes...), append(r.workers, other.workers...), append(r.roots, other.roots...)
	return nil
}

// Unreached says which of several builders that were named could not be reached.
func (b *Builder) Unreached() []string { return b.unreached }

func (o *opener) open(ctx context.Context, name string) (reached, error) {
	if strings.Contains(name, "://") {
		return o.openAddress(ctx, name, name)
	}
	return o.openBuildx(ctx, name)
}

// openAddress connects to a bare address through buildx's remote driver.
func (o *opener) openAddress(ctx context.Context, name, address string) (reached, error) {
	factory, err := driver.GetFactory("remote", true)
	if err != nil {
		return reached{}, err
	}
	d, err := driver.GetDriver(ctx, factory, driver.InitConfig{Name: name, EndpointAddr: address})
	if err != nil {
		return reached{}, err
	}
	// The driver would wait for an address where nobody listens.
	if err := dial(ctx, d); err != nil {
		return reached{}, err
	}
	node := nodeName(name, runtime.GOOS)
	return o.reach(ctx, name, []buildxbuilder.Node{{Builder: node, Node: store.Node{Name: node, Endpoint: address}, Driver: d}})
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
func (o *opener) openBuildx(ctx context.Context, name string) (reached, error) {
	bx, err := buildxbuilder.New(o.cli, buildxbuilder.WithName(name))
	if err != nil {
		return reached{}, err
	}
	nodes, err := bx.LoadNodes(ctx)
	if err != nil {
		return reached{}, err
	}
	return o.reach(ctx, bx.Name, nodes)
}

// reach boots every node of a builder and makes sure that at least one answers.
func (o *opener) reach(ctx context.Context, name string, nodes []buildxbuilder.Node) (reached, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	err := errors.New("it has no nodes")
	r := reached{name: name}
	for _, n := range nodes {
		if n.Err != nil {
			err = n.Err
			continue
		}
		w, bootErr := bootNode(ctx, n)
		if bootErr != nil {
			err = bootErr
			continue
		}
		r.nodes, r.workers = append(r.nodes, n), append(r.workers, w)
	}
	if len(r.nodes) == 0 {
		return reached{}, err
	}
	for _, n := range r.nodes {
		r.roots = append(r.roots, o.rootOf(ctx, n))
		if n.Driver.IsMobyDriver() { // it has one node
			r.pushed = &pushed{api: n.Driver.Config().DockerAPI, tags: map[string]pushedTag{}}
			r.exports = newExports()
		}
	}
	return r, nil
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
