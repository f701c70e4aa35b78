package engine

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/sweep"
)

// mute is a node whose cache cannot be listed any more once it is told so.
type mute struct {
	sweep.Node
	gone bool
}

var errMute = errors.New("it does not answer")

func (m *mute) Records(context.Context) ([]cache.Record, error) {
	if m.gone {
		return nil, errMute
	}
	return nil, nil
}

func (m *mute) Answers(context.Context) error {
	if m.gone {
		return errMute
	}
	return nil
}

func (*mute) Name() string                  { return "mute" }
func (*mute) ID() string                    { return "" }
func (*mute) Root() string                  { return "" }
func (*mute) DiskFull(context.Context) bool { return false }
func (*mute) Forget(context.Context) int    { return 0 }
func (*mute) Layers(context.Context, []string, func(string, graph.ImageLayers)) error {
	return errMute
}

// A budget that cannot be read lifts no other bound, and that it cannot is said
// once.
func TestBoundThatCannotBeRead(t *testing.T) {
	node := &mute{}
	warnings := 0
	events := journal.New()
	told := events.Subscribe(journal.Everything, func(_ time.Time, e journal.Event) {
		if w, ok := e.(journal.Warning); ok && strings.Contains(w.Message, "--cache-budget cannot be read") {
			warnings++
		}
	})
	r := newRun(Options{
		Plan: &plan.Plan{Jobs: []*plan.Job{{Name: "a"}}, BatchSize: 1}, Workers: 1, Nodes: []Node{node},
		Prune: PruneOptions{Policy: PruneAuto, Pause: time.Second, Timeout: time.Second},
		// Whatever the disk holds is more than this part of it.
		Space:   SpaceOptions{Budget: 1 << 40, DiskPath: t.TempDir(), High: 0.0001, Low: 0.0001},
		Journal: events,
	})
	stop := r.startSweepers(t.Context())
	defer stop()
	r.addGauges()
	node.gone = true
	for range 3 {
		s := r.stateFor(t.Context(), &task{job: r.Plan.Jobs[0]})
		if s.fits() || !strings.HasPrefix(s.gauge, "the disk of") {
			t.Errorf("the job fits: %v, by %q", s.fits(), s.gauge)
		}
	}
	if g := r.tightest(t.Context()); g == nil || !strings.HasPrefix(g.name, "the disk of") {
		t.Errorf("the tightest bound is %+v, want the disk", g)
	}
	if err := told.Close(time.Minute); err != nil || warnings != 1 {
		t.Errorf("%d warnings (%v)", warnings, err)
	}
}

// waker is a builder that has its node answer again, if it can.
type waker struct {
	Builder
	node *mute
	err  error
}

func (w waker) Recover(context.Context, time.Duration) error {
	w.node.gone = w.err != nil
	return w.err
}

// A builder that does not list its cache while no build runs is lost, and waited
// for; the run ends when it does not come back.
func TestBuilderIsLostWhileNothingRuns(t *testing.T) {
	for name, err := range map[string]error{"it comes back": nil, "it does not": errMute} {
		t.Run(name, func(t *testing.T) {
			node := &mute{}
			var kinds []string
			events := journal.New()
			told := events.Subscribe(journal.Everything, func(_ time.Time, e journal.Event) { kinds = append(kinds, e.Kind()) })
			r := newRun(Options{
				Plan: &plan.Plan{Jobs: []*plan.Job{{Name: "a"}}, BatchSize: 1}, Workers: 1, Nodes: []Node{node},
				Builder: waker{node: node, err: err}, Recovery: &recovery.Turns{Path: filepath.Join(t.TempDir(), "lock")},
				Prune:   PruneOptions{Policy: PruneAuto, Pause: time.Second, Timeout: time.Second},
				Journal: events,
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			r.cancel = cancel
			stop := r.startSweepers(ctx)
			defer stop()
			node.gone = true
			_, got := r.cacheBytes(ctx)
			_ = told.Close(time.Minute)
			want := []string{"builder_lost"}
			if err == nil {
				want = append(want, "recovered")
			}
			if !errors.Is(got, err) || !slices.Equal(kinds, want) || (ctx.Err() != nil) != (err != nil) {
				t.Errorf("error %v, events %q, the run's end %v", got, kinds, context.Cause(ctx))
			}
		})
	}
}
