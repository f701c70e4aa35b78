package buildkitd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	controlapi "github.com/moby/buildkit/api/services/control"
	bkconfig "github.com/moby/buildkit/cmd/buildkitd/config"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
)

// In the environment of the test's own program this makes it a stand-in for
// buildkitd, which needs no rights and does what the value says. The real one is
// started in internal/lab and by those who test with it.
const standIn = "STOKER_TEST_BUILDKITD"

func TestMain(m *testing.M) {
	if how := os.Getenv(standIn); how != "" {
		os.Exit(stand(how))
	}
	goleak.VerifyTestMain(m)
}

type control struct {
	controlapi.UnimplementedControlServer
}

func (control) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	return &controlapi.ListWorkersResponse{}, nil
}

func stand(how string) int {
	config, err := bkconfig.LoadFile(os.Args[len(os.Args)-1])
	if err != nil || os.Args[len(os.Args)-2] != "--config" {
		return 2
	}
	switch how {
	case "ends":
		os.Stderr.WriteString("buildkitd: it is " + config.Log.Level + "\ngoroutine 1\n")
		return 3
	case "is silent":
		time.Sleep(time.Hour)
	}
	path := strings.TrimPrefix(config.GRPC.Address[0], "unix://")
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return 2
	}
	for name, text := range map[string]string{filepath.Join(os.TempDir(), "temporary"): "", "started": config.Root} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return 2
		}
	}
	os.Stderr.WriteString("started\n")
	server := grpc.NewServer()
	controlapi.RegisterControlServer(server, control{})
	_ = server.Serve(listener)
	return 2
}

// options are those of a stand-in in a directory, which is given by a link.
func options(t *testing.T, how string) (dir string, opt Options) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	return dir, Options{Command: []string{self, "--debug"}, Dir: link, Root: filepath.Join(link, "root"), Relative: true,
		Address: "unix://" + filepath.Join(dir, "s"), Config: Config{}, Env: []string{standIn + "=" + how}, StopTimeout: time.Minute}
}

// A daemon is started, lost and stopped; its log is all it has said, its
// temporary files are where they are found, and nothing of it is left running.
func TestLife(t *testing.T) {
	dir, opt := options(t, "answers")
	if err := os.WriteFile(filepath.Join(dir, "buildkitd.log"), []byte("of an earlier run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if d.HasEnded() || d.Root() != filepath.Join(dir, "root") || time.Since(d.Started()) > time.Hour {
		t.Errorf("ended: %t, root %s, started %s", d.HasEnded(), d.Root(), d.Started())
	}
	if root, err := os.ReadFile(filepath.Join(dir, "started")); err != nil || string(root) != "root" {
		t.Errorf("it was started elsewhere than in its directory, or told the root %q (%v)", root, err)
	}
	temporary := filepath.Join(dir, "tmp", "temporary")
	if _, err := os.Stat(temporary); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tmp", "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Kill(); err != nil || !d.HasEnded() {
		t.Errorf("killed: ended %t (%v)", d.HasEnded(), err)
	}
	if err := d.Restart(t.Context()); err != nil || d.HasEnded() {
		t.Fatalf("restarted: ended %t (%v)", d.HasEnded(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tmp", "left")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the first one left is there: %v", err)
	}
	if err := d.Signal(syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
	if err := d.Stop(); err != nil || !d.HasEnded() {
		t.Errorf("stopped: ended %t (%v)", d.HasEnded(), err)
	}
	if log, err := os.ReadFile(d.Log()); err != nil || string(log) != "started\nstarted\n" {
		t.Errorf("log %q (%v)", log, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "s")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is there: %v", err)
	}
}

// What keeps a daemon from answering is told, by type.
func TestDoesNotAnswer(t *testing.T) {
	t.Run("it ends", func(t *testing.T) {
		_, opt := options(t, "ends")
		opt.Config.Set("broken", "log", "level")
		_, err := Start(t.Context(), opt)
		var ended *EndedError
		if !errors.As(err, &ended) || *ended != (EndedError{"exit status 3", "buildkitd: it is broken"}) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("it is silent", func(t *testing.T) {
		_, opt := options(t, "is silent")
		enough := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, enough)
		defer cancel()
		if _, err := Start(ctx, opt); !errors.Is(err, enough) {
			t.Errorf("error %v", err)
		}
		d := &Daemon{opt: opt}
		if err := errors.Join(d.resolve(), d.configure(), d.start()); err != nil {
			t.Fatal(err)
		}
		var silent *SilentError
		if err := d.awaitAnswer(t.Context(), 100*time.Millisecond); !errors.As(err, &silent) || silent.Log != d.Log() {
			t.Errorf("error %v", err)
		}
		if err := d.Stop(); err != nil || !d.HasEnded() {
			t.Errorf("stopped: ended %t (%v)", d.HasEnded(), err)
		}
	})
	t.Run("there is no such program", func(t *testing.T) {
		_, opt := options(t, "")
		opt.Command = []string{"/no/such/program"}
		if _, err := Start(t.Context(), opt); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("another has its root", func(t *testing.T) {
		_, opt := options(t, "answers")
		if err := os.Mkdir(opt.Root, 0o700); err != nil {
			t.Fatal(err)
		}
		lock := flock.New(filepath.Join(opt.Root, "buildkitd.lock"))
		if err := lock.Lock(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := Start(ctx, opt); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
		d, err := Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// A table that has other settings keeps them; root and address are the daemon's own.
func TestConfig(t *testing.T) {
	dir, opt := options(t, "answers")
	opt.Relative = false
	opt.Config = Config{"root": "/elsewhere", "registry": map[string]any{"a.example": map[string]any{"mirrors": []string{"m"}}}}
	opt.Config.Set(true, "registry", "a.example", "http")
	opt.Config.Set(true, "registry", "127.0.0.1:5000", "http")
	d := &Daemon{opt: opt}
	if err := errors.Join(d.resolve(), d.configure()); err != nil {
		t.Fatal(err)
	}
	got, err := bkconfig.LoadFile(d.configFile())
	if err != nil {
		t.Fatal(err)
	}
	a, b := got.Registries["a.example"], got.Registries["127.0.0.1:5000"]
	if got.Root != filepath.Join(dir, "root") || len(got.GRPC.Address) != 1 || got.GRPC.Address[0] != opt.Address ||
		a.Mirrors[0] != "m" || !*a.PlainHTTP || !*b.PlainHTTP {
		t.Errorf("configuration %+v", got)
	}
}

func TestLastWords(t *testing.T) {
	for log, want := range map[string]string{
		"level=info\nbuildkitd: no worker found, rebuild the buildkit daemon?\n": "it has no worker: runc does not work, or its configuration turns [worker.oci] off",
		"buildkitd: invalid database\ngoroutine 1\n":                             "buildkitd: invalid database",
		"one\nthe last line\n": "the last line",
		"":                     "it has said nothing",
	} {
		if got := lastWords(log); got != want {
			t.Errorf("%q: %q, want %q", log, got, want)
		}
	}
}
