package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/lab"
)

// othersDockerfile is what somebody else builds on each node: on a base image of the
// plan, with a step of the same text as the plan's, which copies something else.
const othersDockerfile = `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN echo others > /others
COPY agent.txt /opt/agent/agent.txt
`

// node is a daemon that stoker is given, and shares with somebody else.
type node struct {
	*lab.Buildkitd
	disk *lab.Disk
	// trouble is held while something is wrong with it, so that only one thing is.
	trouble sync.Mutex
	others  []string // ids of the records that somebody else has made
}

func newNode(ctx context.Context, p *parts, disk *lab.Disk) (*node, error) {
	d, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{Root: filepath.Join(disk.Path(), "root"), Insecure: []string{p.registry.Host()}})
	if err != nil {
		return nil, err
	}
	n := &node{Buildkitd: d, disk: disk}
	if err := n.buildOthers(ctx, p); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return n, nil
}

// buildOthers has somebody else build on the node.
func (n *node) buildOthers(ctx context.Context, p *parts) error {
	if err := n.Build(ctx, lab.Build{Dir: p.others(), Args: map[string]string{"BASE_IMAGE": p.bases[0].Ref}}); err != nil {
		return err
	}
	records, err := n.records(ctx)
	if err != nil {
		return err
	}
	step := slices.IndexFunc(records, func(r *client.UsageInfo) bool { return strings.Contains(r.Description, "echo others") })
	if step < 0 {
		return errors.New("what others have built is not in the cache")
	}
	n.others = []string{records[step].ID}
	for _, r := range records {
		if slices.Contains(r.Parents, records[step].ID) {
			n.others = append(n.others, r.ID)
		}
	}
	return nil
}

func (n *node) records(ctx context.Context) ([]*client.UsageInfo, error) {
	c, err := n.Client(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.DiskUsage(ctx)
}

// checkOthers finds what somebody else has made and misses.
func (n *node) checkOthers(ctx context.Context) error {
	records, err := n.records(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range n.others {
		if !slices.ContainsFunc(records, func(r *client.UsageInfo) bool { return r.ID == id }) {
			errs = append(errs, fmt.Errorf("a record of somebody else was removed on %s: %s", n.Addr(), id))
		}
	}
	return errors.Join(errs...)
}

// nodes are the daemons that stoker is given. They come back by an operator's doing, who
// is the soak.
type nodes struct {
	*chaos
	list []*node
}

// strike has something be wrong with a node for a while.
func (s *nodes) strike(number int, trouble func(n *node) error) {
	n := s.list[number]
	s.lasting.Go(func() error {
		n.trouble.Lock()
		defer n.trouble.Unlock()
		return trouble(n)
	})
}

func (s *nodes) kill(ctx context.Context, number int) error {
	s.strike(number, func(n *node) error {
		if err := n.Kill(); err != nil {
			return err
		}
		time.Sleep(down)
		return n.Restart(ctx)
	})
	return nil
}

func (s *nodes) hang(_ context.Context, number int, d time.Duration) error {
	s.strike(number, func(n *node) error {
		if err := n.Pause(); err != nil {
			return err
		}
		time.Sleep(d)
		return n.Resume()
	})
	return nil
}

func (s *nodes) freeze(ctx context.Context, number int) error {
	s.strike(number, func(n *node) error {
		if err := n.Pause(); err != nil {
			return err
		}
		time.Sleep(long)
		if err := n.Kill(); err != nil {
			return err
		}
		return n.Restart(ctx)
	})
	return nil
}

func (s *nodes) empty(ctx context.Context, number int) error {
	s.strike(number, func(n *node) error {
		if err := n.Kill(); err != nil {
			return err
		}
		if err := os.RemoveAll(n.Root()); err != nil {
			return err
		}
		if err := os.Mkdir(n.Root(), 0o700); err != nil {
			return err
		}
		if err := n.Restart(ctx); err != nil {
			return err
		}
		return n.buildOthers(ctx, s.parts)
	})
	return nil
}

func (s *nodes) fill(_ context.Context, number int) error {
	s.strike(number, func(n *node) error {
		if err := fill(n.disk); err != nil {
			return err
		}
		time.Sleep(s.full)
		return n.disk.Unfill()
	})
	return nil
}

// calm waits until nothing is wrong with any node, and keeps it so: a run that begins
// leaves out those that do not answer.
func (s *nodes) calm(ctx context.Context, start func() error) error {
	for _, n := range s.list {
		n.trouble.Lock()
		defer n.trouble.Unlock()
	}
	if err := start(); err != nil {
		return err
	}
	return s.awaitRun(ctx, func() (bool, error) { return true, nil })
}
