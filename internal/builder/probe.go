package builder

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
)

const (
	// How much is written to find out whether a disk is full: a step that failed for
	// want of space has left less, until it is cleared away. It also has to fit into
	// a message.
	probeBytes = 4 << 20
	// How long that may take.
	probeTimeout = 15 * time.Second
	// How the record of it is called, by which it is removed again.
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
	data := make([]byte, probeBytes)
	_, _ = rand.Read(data) // never fails
	def, err := llb.Scratch().File(llb.Mkfile("/probe", 0o600, data), llb.WithCustomName(probeName)).Marshal(ctx)
	if err != nil {
		return false
	}
	if _, err = c.Solve(ctx, def, client.SolveOpt{Internal: true}, nil); err != nil {
		class, _ := Classify(err)
		return class == NoSpace
	}
	// Left behind where it cannot be removed, it goes with what nobody needs.
	_, _ = n.prune(ctx, []string{"description==" + strconv.Quote(probeName)}, nil)
	return false
}

// SaysDiskFull tells that a step that failed has printed that a disk is full. It may
// print what it likes: it is a reason to look, and no more.
func SaysDiskFull(err error) bool {
	var step *stepError
	return errors.As(err, &step) && slices.ContainsFunc(step.output, noSpace.MatchString)
}
