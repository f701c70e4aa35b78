package builder

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
)

// answerer is a daemon that answers, or not.
type answerer struct {
	name    string
	answers atomic.Bool
}

func (a *answerer) Name() string { return a.name }

func (a *answerer) Answers(ctx context.Context) error {
	if a.answers.Load() {
		return nil
	}
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
	}
	return errors.New("silent")
}

// Where another node answers, one that does not is left the first time; where none does, it
// is asked as often as one that is alone.
func TestAskOne(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after []bool // which nodes answer
		asked         string
		left          time.Duration // not sooner, and 10 s later at most
	}{
		{"the first", []bool{true, true}, []bool{false, true}, "a", 20 * time.Second},
		{"the second", []bool{false, true}, []bool{true, false}, "b", 20 * time.Second},
		{"all stop", []bool{true, true}, []bool{false, false}, "a", 60 * time.Second},
		{"one alone", []bool{true}, []bool{false}, "a", 60 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var nodes []*answerer
				for i, answers := range tt.before {
					nodes = append(nodes, &answerer{name: string(rune('a' + i))})
					nodes[i].answers.Store(answers)
				}
				asked, asking, stop := AskOne(t.Context(), nodes)
				defer stop()
				if asked.Node.name != tt.asked || asked.Silent(asking) != nil {
					t.Errorf("%s is asked, silent: %v", asked.Node.name, asked.Silent(asking))
				}
				for i, answers := range tt.after {
					nodes[i].answers.Store(answers)
				}
				start := time.Now()
				<-asking.Done()
				if took := time.Since(start); took < tt.left || took > tt.left+10*time.Second {
					t.Errorf("it is left after %s", took)
				}
				var silent *SilentError
				if !errors.As(asked.Silent(asking), &silent) || silent.Node != tt.asked {
					t.Errorf("silent is %+v", silent)
				}
			})
		})
	}
}

// That a daemon stands still is not said of a registry, however many questions wait.
func TestSilentDaemonIsNoSilentRegistry(t *testing.T) {
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m, hole := newImages(), blackHole{asked: make(chan string, 10)}
			c := newConsiderate(hole, func(context.Context) bool { return answers })
			for range hopelessHost {
				_, err := m.resolve(t.Context(), c, "r.example/a:1", sourceresolver.Opt{})
				if blamed, silent := errors.Is(err, ErrUnreachable), errors.As(err, new(*SilentError)); blamed != answers || silent == answers {
					t.Errorf("the daemon answers: %t, and the error is %v", answers, err)
				}
			}
			if err := m.reachable("r.example/b:1"); (err != nil) != answers {
				t.Errorf("the daemon answers: %t, and the registry is given up: %v", answers, err)
			}
		})
	}
}
