package builder

import (
	"context"
	"math"
	"strings"
	"sync"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"golang.org/x/sync/semaphore"
)

// exports keeps docker's own builder from exporting images while its cache is
// listed: it then loses track of layers, and keeps their files until it is started
// again (measured on docker 20.10: of 24 images, the layers of 8 to 18 when the
// cache was listed all the time, none when it was listed between the exports). It
// is nil for other builders. Its methods may be called concurrently.
type exports struct{ turns *semaphore.Weighted }

// A listing takes all turns that there are, an export one.
const allTurns = math.MaxInt64

func newExports() *exports { return &exports{semaphore.NewWeighted(allTurns)} }

// listing waits until no image is exported, and lets none be until done is called.
func (e *exports) listing(ctx context.Context) (done func(), err error) {
	if e == nil {
		return func() {}, nil
	}
	if err := e.turns.Acquire(ctx, allTurns); err != nil {
		return nil, context.Cause(ctx)
	}
	return func() { e.turns.Release(allTurns) }, nil
}

// export is the turn of one build.
type export struct {
	exports *exports

	mu    sync.Mutex
	begun bool
}

// export makes the turn of a build. It ends when the image is pushed, which the
// steps tell, or with end.
func (e *exports) export(watch *Watch) *export {
	x := &export{exports: e}
	if e == nil {
		return x
	}
	step := watch.Step
	watch.Step = func(name string) {
		if strings.HasPrefix(name, "pushing ") {
			x.end()
		}
		step(name)
	}
	return x
}

// begin does all steps of a build, which would be done when it is exported, and
// waits until it may be.
func (x *export) begin(ctx context.Context, res *gateway.Result) error {
	if x.exports == nil {
		return nil
	}
	err := eachRef(res, func(ref gateway.Reference) error { return ref.Evaluate(ctx) })
	if err != nil {
		return err
	}
	if err := x.exports.turns.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begun = true
	return nil
}

// end ends the turn, if it has begun. It may be called more than once.
func (x *export) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun {
		x.begun = false
		x.exports.turns.Release(1)
	}
}
