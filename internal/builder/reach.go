package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
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
	tls     map[string]string // for tcp:// addresses, as buildx's driver is told
	private *private          // the builder that was started; nil for none
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
	late    []*Late // nodes that did not answer
}

// openAll opens builders whose nodes build together. Of several, those that cannot be
// reached are left out or come late, as nodes of one do, where others can be.
func (b *Builder) openAll(ctx context.Context, from string, names []string) error {
	var all []reached
	var tried []string
	var late []*Late
	var known []string
	for _, name := range names {
		one, err := b.open(ctx, name)
		late = append(late, one.late...)
		if err != nil {
			tried = append(tried, fmt.Sprintf("%s %s: %s", from, name, reason(err)))
		}
		switch {
		case err == nil:
			all = append(all, one)
			known = append(known, one.name)
		case len(one.late) > 0:
			known = append(known, one.name)
		default:
			b.leftOut = append(b.leftOut, tried[len(tried)-1])
		}
	}
	if len(all) == 0 {
		return &UnreachableError{Asked: from, Tried: tried}
	}
	b.reached = all[0]
	for _, one := range all[1:] {
		if err := b.join(one); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	b.name, b.late = strings.Join(known, ", "), late
	return nil
}

var errDockersOwn = errors.New("docker's own builder cannot build together with others: name those alone, or \"docker buildx create\" one beside it")

// join adds the nodes of another builder.
func (r *reached) join(other reached) error {
	if r.pushed != nil || other.pushed != nil {
		return errDockersOwn
	}
	for i, n := range other.nodes {
		if err := r.mayJoin(n.Name, other.workers[i].id); err != nil {
			return err
		}
	}
	r.nodes, r.workers, r.roots = append(r.nodes, other.nodes...), append(r.workers, other.workers...), append(r.roots, other.roots...)
	return nil
}

// mayJoin returns an error where a daemon is one of the nodes already, under the same or
// another name.
func (r *reached) mayJoin(name, id string) error {
	for i, has := range r.nodes {
		if has.Name == name {
			return fmt.Errorf("the node %s is named twice", name)
		}
		if id != "" && r.workers[i].id == id {
			return fmt.Errorf("%s and %s are the same daemon", has.Name, name)
		}
	}
	return nil
}

func (o *opener) open(ctx context.Context, name string) (reached, error) {
	if strings.Contains(name, "://") {
		return o.openAddress(ctx, name, name)
	}
	r, err := o.openBuildx(ctx, name)
	if address := addressFor(name); err != nil && address != "" {
		err = fmt.Errorf("%s; for an address, give %s", reason(err), address)
	}
	return r, err
}

// addressFor is the address that a name looks like that is none of buildx; empty where it
// looks like none.
func addressFor(name string) string {
	if strings.HasPrefix(name, "/") {
		return "unix://" + name
	}
	host, port, err := net.SplitHostPort(name)
	if _, notNumber := strconv.ParseUint(port, 10, 16); err != nil || notNumber != nil || host == "" {
		return ""
	}
	return "tcp://" + name
}

// openAddress connects to a bare address through buildx's remote driver.
func (o *opener) openAddress(ctx context.Context, name, address string) (reached, error) {
	factory, err := driver.GetFactory("remote", true)
	if err != nil {
		return reached{}, err
	}
	config := driver.InitConfig{Name: name, EndpointAddr: address}
	if overTCP(address) {
		config.DriverOpts = o.tls
	}
	d, err := driver.GetDriver(ctx, factory, config)
	if err != nil {
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

// reach boots all nodes of a builder, side by side, and makes sure that at least one
// answers. The others come late, also beside an error.
func (o *opener) reach(ctx context.Context, name string, nodes []buildxbuilder.Node) (reached, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	workers, errs := make([]worker, len(nodes)), make([]error, len(nodes))
	var booting sync.WaitGroup
	for i, n := range nodes {
		booting.Go(func() { workers[i], errs[i] = bootNode(ctx, n) })
	}
	booting.Wait()
	err := errors.New("it has no nodes")
	r := reached{name: name}
	for i, n := range nodes {
		if errs[i] == nil {
			r.nodes, r.workers = append(r.nodes, n), append(r.workers, workers[i])
			continue
		}
		err = errs[i]
		if n.Err == nil && !n.Driver.IsMobyDriver() {
			r.late = append(r.late, &Late{node: n, why: reason(err)})
		}
	}
	if len(r.nodes) == 0 {
		return r, err
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
	if n.Err != nil {
		return worker{}, n.Err
	}
	if err := listens(ctx, n); err != nil {
		return worker{}, err
	}
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
