package builder

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// otherClock is a daemon whose clock is ahead. The clock of a real one cannot be set
// apart from the machine's.
type otherClock struct {
	controlapi.UnimplementedControlServer
	ahead atomic.Int64 // nanoseconds
	made  time.Time    // by the right clock
}

func (o *otherClock) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	return &controlapi.ListWorkersResponse{}, nil
}

func (o *otherClock) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{}, nil
}

func (o *otherClock) ListenBuildHistory(_ *controlapi.BuildHistoryRequest, s grpc.ServerStreamingServer[controlapi.BuildHistoryEvent]) error {
	return s.SendHeader(metadata.Pairs(clockHeader, time.Now().Add(time.Duration(o.ahead.Load())).Format(time.RFC3339Nano)))
}

func (o *otherClock) DiskUsage(context.Context, *controlapi.DiskUsageRequest) (*controlapi.DiskUsageResponse, error) {
	at := timestamppb.New(o.made.Add(time.Duration(o.ahead.Load())))
	return &controlapi.DiskUsageResponse{Record: []*controlapi.UsageRecord{{ID: "one", CreatedAt: at, LastUsedAt: at}}}, nil
}

// connect starts it and returns a builder that has it as its one node.
func (o *otherClock) connect(t *testing.T) *Builder {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	controlapi.RegisterControlServer(server, o)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	b, err := Connect(t.Context(), Options{Names: []string{"unix://" + listener.Addr().String()}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// check makes sure that the times of the daemon's record are by this process's clock.
func (o *otherClock) check(t *testing.T, b *Builder) {
	t.Helper()
	records, err := b.Nodes()[0].Records(t.Context())
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, at := range []time.Time{records[0].CreatedAt, records[0].LastUsedAt} {
		if off := at.Sub(o.made).Abs(); off > time.Second || o.ahead.Load() == 0 && off != 0 {
			t.Errorf("a time is %s off", off)
		}
	}
}

// The times of records are by this process's clock, whatever the daemon's is.
func TestClocks(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": time.Hour, "behind": -20 * time.Second, "right": 0} {
		t.Run(name, func(t *testing.T) {
			daemon := &otherClock{made: time.Now().Add(-3 * time.Minute)}
			daemon.ahead.Store(int64(ahead))
			daemon.check(t, daemon.connect(t))
		})
	}
}

// Where a clock is set while a builder is in use, the daemon's or the other way
// this machine's, that is noticed when the daemon is next asked for its time.
func TestClockIsSet(t *testing.T) {
	daemon := &otherClock{made: time.Now().Add(-3 * time.Minute)}
	b := daemon.connect(t)
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour, 0} {
		daemon.ahead.Store(int64(ahead))
		daemon.check(t, b)
		node := b.workers[0].clock
		node.asked = node.asked.Add(-clockInterval)
	}
}

// A real daemon tells its time. This machine's has the same clock.
func TestClockIsTold(t *testing.T) {
	t.Parallel()
	b, err := Connect(t.Context(), Options{Names: []string{labtest.Buildkitd(t).Addr()}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.nodes[0].Driver.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ahead, ok := askClock(t.Context(), c); !ok || ahead.Abs() > 5*time.Second {
		t.Errorf("the daemon's clock is said to be %s ahead (told: %v)", ahead, ok)
	}
}
