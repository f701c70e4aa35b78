package builder

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	buildxbuilder "github.com/docker/buildx/builder"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/cache"
)

// Node is one BuildKit daemon of a builder. Its methods may be called
// concurrently.
//
// Large: a method for each thing that a daemon is asked.
type Node struct {
	name      string
	node      buildxbuilder.Node
	id        string
	platforms []ocispecs.Platform
	root      string
	clock     *clock
	builder   *Builder
}

// Nodes returns the builder's nodes.
func (b *Builder) Nodes() []*Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []*Node
	for i, n := range b.nodes {
		out = append(out, newNode(b, n, b.workers[i], b.roots[i]))
	}
	return out
}

func newNode(b *Builder, n buildxbuilder.Node, w worker, root string) *Node {
	return &Node{name: n.Name, node: n, id: w.id, platforms: w.platforms, root: root, clock: w.clock, builder: b}
}

// bxNodes are the nodes as buildx has them.
func (b *Builder) bxNodes() []buildxbuilder.Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.nodes)
}

// Name is the node's name in buildx, or its address.
func (n *Node) Name() string { return n.name }

// ID is the daemon's own, which it keeps with its cache; empty where it has none.
func (n *Node) ID() string { return n.id }

// Platform is the one that the node builds for by default.
func (n *Node) Platform() ocispecs.Platform { return n.platforms[0] }

// Platforms are those that the node builds for: first those that it was given in
// buildx, then its machine's own, then those that it emulates.
func (n *Node) Platforms() []ocispecs.Platform { return n.platforms }

// Root is a path on the disk that holds the node's cache, where it is on this
// machine and could be found when the builder was connected to; else empty. It
// is the directory of the cache itself, unless only docker may look into that.
func (n *Node) Root() string { return n.root }

// Records lists the node's cache. Its times are by this process's clock, as those of
// a build's progress are.
func (n *Node) Records(ctx context.Context) ([]cache.Record, error) {
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return nil, err
	}
	done, err := n.builder.exports.listing(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	usage, err := c.ControlClient().DiskUsage(ctx, &controlapi.DiskUsageRequest{})
	if err != nil {
		return nil, err
	}
	records := make([]cache.Record, len(usage.Record))
	ahead := n.clock.now(ctx, c)
	old := slices.ContainsFunc(usage.Record, func(u *controlapi.UsageRecord) bool { return oldParent(u) != "" })
	for i, u := range usage.Record {
		records[i] = listed(u, ahead)
		records[i].Old = old
	}
	return records, nil
}

// oldParent returns the one parent that daemons before v0.10 tell of, docker's up
// to 20.10 among them. BuildKit's client leaves it out.
func oldParent(u *controlapi.UsageRecord) string {
	return u.Parent //nolint:staticcheck // deprecated, and all that they tell
}

// listed reads a record from the answer itself, by a node whose clock is ahead.
func listed(u *controlapi.UsageRecord, ahead time.Duration) cache.Record {
	r := cache.Record{
		ID: u.ID, Parents: u.Parents, Description: u.Description, Kind: u.RecordType, Size: u.Size,
		CreatedAt: u.CreatedAt.AsTime().Add(-ahead), InUse: u.InUse, Mutable: u.Mutable,
	}
	if parent := oldParent(u); parent != "" && len(r.Parents) == 0 {
		r.Parents = []string{parent}
	}
	if u.LastUsedAt != nil {
		r.LastUsedAt = u.LastUsedAt.AsTime().Add(-ahead)
	}
	return r
}

// record is listed for what a prune tells.
func record(u *client.UsageInfo) cache.Record {
	r := cache.Record{
		ID: u.ID, Parents: u.Parents, Description: u.Description, Kind: string(u.RecordType), Size: u.Size,
		CreatedAt: u.CreatedAt, InUse: u.InUse,
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
	return n.prune(ctx, exactly(ids), nil)
}

// Unlink is Delete, but ends the call once all records are gone. BuildKit (v0.34)
// then leaves out what ends each prune and grows with the cache: to collect the
// garbage of containerd's metadata. Until Collect, or the next prune of anybody's,
// the files stay where they are.
func (n *Node) Unlink(ctx context.Context, ids []string) ([]cache.Record, error) {
	left := make(map[string]bool, len(ids))
	for _, id := range ids {
		left[id] = true
	}
	return n.prune(ctx, exactly(ids), left)
}

// Collect frees what no record holds any more, such as the files of failed steps
// and those of unlinked records: what a prune does at its end, also one that finds
// nothing to remove.
func (n *Node) Collect(ctx context.Context) error {
	_, err := n.prune(ctx, exactly([]string{"none"}), nil)
	return err
}

// exactly are filters that find the records of these ids. No record has an id as
// short as "none".
func exactly(ids []string) []string {
	filters := make([]string, len(ids))
	for i, id := range ids {
		filters[i] = "id==" + id
	}
	return filters
}

// DeleteByDescription removes the records whose description has the name of one
// of the images in it, in one call, as a prune with a description filter does.
func (n *Node) DeleteByDescription(ctx context.Context, images []string) ([]cache.Record, error) {
	if len(images) == 0 {
		return nil, nil // an empty pattern would match every description
	}
	return n.prune(ctx, []string{DescriptionFilter(images)}, nil)
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

// prune asks BuildKit to remove what matches any of the filters. It takes the ids
// of what was removed out of left, and ends the call when that is empty; where it
// is nil, the call ends by itself. All is set: without it BuildKit passes over
// internal, frontend and shared records.
func (n *Node) prune(ctx context.Context, filters []string, left map[string]bool) ([]cache.Record, error) {
	if len(filters) == 0 {
		return nil, nil // no filter at all would match every record
	}
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return nil, err
	}
	call, end := context.WithCancel(ctx)
	defer end()
	var removed []cache.Record
	allGone := func() bool { return left != nil && len(left) == 0 }
	ch := make(chan client.UsageInfo)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for u := range ch {
			removed = append(removed, record(&u))
			if delete(left, u.ID); allGone() {
				end()
			}
		}
	}()
	err = c.Prune(call, ch, client.PruneAll, client.WithFilter(filters))
	close(ch)
	<-read
	switch {
	case allGone():
		err = nil
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return removed, err
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
