package builder

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	buildxbuilder "github.com/docker/buildx/builder"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/identity"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/cache"
)

// Node is one BuildKit daemon of a builder. Its methods may be called
// concurrently.
type Node struct {
	name     string
	node     buildxbuilder.Node
	platform ocispecs.Platform
	root     string
}

// Nodes returns the builder's nodes.
func (b *Builder) Nodes() []*Node {
	var out []*Node
	for i, n := range b.nodes {
		node := &Node{name: n.Name, node: n, platform: b.platforms[i]}
		switch {
		case b.private != nil:
			node.root = b.private.root
		case n.Driver.Config().EndpointAddr != "":
			node.root = localRoot(n.Driver.Config().EndpointAddr)
		}
		out = append(out, node)
	}
	return out
}

// Name is the node's name in buildx, or its address.
func (n *Node) Name() string { return n.name }

// Platform is the one that the node builds for by default.
func (n *Node) Platform() ocispecs.Platform { return n.platform }

// Root is the directory that holds the node's cache, where it is on this
// machine and could be found; else empty.
func (n *Node) Root() string { return n.root }

// HasOwnImages tells that a base image may come from the node's own image store
// instead of a registry, as with docker's built-in builder.
func (n *Node) HasOwnImages() bool { return n.node.Driver.IsMobyDriver() }

// Records lists the node's cache.
func (n *Node) Records(ctx context.Context) ([]cache.Record, error) {
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return nil, err
	}
	usage, err := c.DiskUsage(ctx)
	if err != nil {
		return nil, err
	}
	records := make([]cache.Record, len(usage))
	for i, u := range usage {
		records[i] = record(u)
	}
	return records, nil
}

func record(u *client.UsageInfo) cache.Record {
	r := cache.Record{
		ID: u.ID, Parents: u.Parents, Description: u.Description, Kind: string(u.RecordType), Size: u.Size,
		CreatedAt: u.CreatedAt, UsageCount: u.UsageCount, InUse: u.InUse, Mutable: u.Mutable, Shared: u.Shared,
	}
	if u.LastUsedAt != nil {
		r.LastUsedAt = *u.LastUsedAt
	}
	return r
}

// Delete removes records by their exact ids, in one call, and returns those
// that BuildKit says it removed, also beside an error. BuildKit leaves records
// alone that are in use or have children.
func (n *Node) Delete(ctx context.Context, ids []string) ([]cache.Record, error) {
	filters := make([]string, len(ids))
	for i, id := range ids {
		filters[i] = "id==" + id
	}
	return n.prune(ctx, filters)
}

// DeleteByDescription removes the records whose description has the name of one
// of the images in it, in one call, as a prune with a description filter does.
func (n *Node) DeleteByDescription(ctx context.Context, images []string) ([]cache.Record, error) {
	if len(images) == 0 {
		return nil, nil // an empty pattern would match every description
	}
	return n.prune(ctx, []string{DescriptionFilter(images)})
}

// DescriptionFilter returns the filter that finds the records of images by
// their descriptions. References are escaped for the regular expression, and
// the whole for BuildKit's filter grammar.
func DescriptionFilter(images []string) string {
	escaped := make([]string, len(images))
	for i, image := range images {
		escaped[i] = regexp.QuoteMeta(image)
	}
	return "description~=" + strconv.QuoteToASCII(strings.Join(escaped, "|"))
}

// prune asks BuildKit to remove what matches any of the filters. All is set:
// without it BuildKit passes over internal, frontend and shared records.
func (n *Node) prune(ctx context.Context, filters []string) ([]cache.Record, error) {
	if len(filters) == 0 {
		return nil, nil // no filter at all would match every record
	}
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return nil, err
	}
	var removed []cache.Record
	ch := make(chan client.UsageInfo)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for u := range ch {
			removed = append(removed, record(&u))
		}
	}()
	err = c.Prune(ctx, ch, client.PruneAll, client.WithFilter(filters))
	close(ch)
	<-done
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return removed, err
}

// Collect makes the daemon free what no record holds any more: the files of
// failed steps, above all. BuildKit (v0.34) frees those only after a prune that
// removed something, so this makes a tiny record and removes that.
func (n *Node) Collect(ctx context.Context) error {
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return err
	}
	name := "[stoker] collect " + identity.NewID()
	def, err := llb.Scratch().File(llb.Mkfile("/"+identity.NewID(), 0o644, nil), llb.WithCustomName(name)).Marshal(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Solve(ctx, def, client.SolveOpt{Internal: true}, nil); err != nil {
		return err
	}
	_, err = n.prune(ctx, []string{"description==" + strconv.QuoteToASCII(name)})
	return err
}

// Answers tells whether the daemon answers, within a few seconds.
func (n *Node) Answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Second, fmt.Errorf("%s does not answer", n.name))
	defer cancel()
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return err
	}
	_, err = c.ListWorkers(ctx)
	return err
}
