package builder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
)

const (
	// What is sent and how often it is copied there to find out whether a disk is full.
	// A step that failed for want of space has left less, soon also where it is cleared
	// away at once. A message takes 16 MiB at most.
	probeBytes  = 4 << 20
	probeCopies = 8
	// How long that may take.
	probeTimeout = 15 * time.Second
	// How the records of it are called, by which they are removed again.
	probeName = "stoker: is the disk full?"
)

// DiskFull finds out whether the node's disk is full, where that cannot be seen, by
// having BuildKit write a little to it. Where it does not say so, it is not.
func (n *Node) DiskFull(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return false
	}
	def, err := probe().Marshal(ctx)
	if err != nil {
		return false
	}
	_, failed := c.Solve(ctx, def, client.SolveOpt{Internal: true}, nil)
	// What cannot be removed goes with what nobody needs.
	_, _ = n.prune(ctx, []string{"description==" + strconv.Quote(probeName)}, nil)
	if failed == nil {
		return false
	}
	class, _ := Classify(failed)
	return class == NoSpace
}

// probe is a build that writes some copies of what no builder has yet.
func probe() llb.State {
	data := make([]byte, probeBytes)
	_, _ = rand.Read(data) // never fails
	first := llb.Scratch().File(llb.Mkfile("/probe", 0o600, data), llb.WithCustomName(probeName))
	copies := llb.Copy(first, "/probe", "/0")
	for i := 1; i < probeCopies; i++ {
		copies = copies.Copy(first, "/probe", fmt.Sprintf("/%d", i))
	}
	return llb.Scratch().File(copies, llb.WithCustomName(probeName))
}

// SaysDiskFull tells that a step that failed has printed that a disk is full. It may
// print what it likes: it is a reason to look, and no more.
func SaysDiskFull(err error) bool {
	var step *stepError
	return errors.As(err, &step) && slices.ContainsFunc(step.output, noSpace.MatchString)
}
