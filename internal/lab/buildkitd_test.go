package lab_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/sys/mountinfo"

	"github.com/stoker-build/stoker/internal/buildkitd"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

var tiny = lab.Shape{Instances: lab.Instances(2, 2), OSBytes: 1000, EnvBytes: 1000, OwnBytes: 1000}

func TestBuildsAgentImageFromBase(t *testing.T) {
	registry := labtest.Registry(t)
	bases := labtest.Bases(t, registry, tiny)
	builder := labtest.Builder(t, registry)
	daemon := labtest.Buildkitd(t, registry)
	target := registry.Host() + "/agent/first:t"
	err := daemon.Build(t.Context(), lab.Build{
		Dir:  labtest.Agent(t, lab.Agent{OwnCacheBytes: 5000}),
		Args: map[string]string{"BASE_IMAGE": bases[0].Ref, "BUILDER_IMAGE": builder.Ref},
		Push: target,
	})
	if err != nil {
		t.Fatal(err)
	}
	files := labtest.Files(t, target)
	for path, want := range map[string]string{
		"/os-release":                             "NAME=lab\n",
		"/env/project01__project01":               "project01__project01\n",
		"/testbed/project01__project01-10001.txt": "project01__project01-10001\n",
		"/agent/version":                          "1\n",
		"/opt/agent/agent.txt":                    "a",
	} {
		if got := string(files[path].Content); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if got := files["/opt/agent/own-cache"].Size; got != 5000 {
		t.Errorf("own cache has %d bytes, want 5000", got)
	}
	requests := registry.Requests()
	for _, layer := range bases[0].Layers {
		if got := requests.BlobGets[layer.Digest]; got < 1 {
			t.Errorf("layer %s was downloaded %d times", layer.Digest, got)
		}
	}
}

func TestRestartKeepsCacheAndAddress(t *testing.T) {
	registry := labtest.Registry(t)
	bases := labtest.Bases(t, registry, tiny)
	daemon := labtest.Buildkitd(t, registry)
	addr := daemon.Addr()
	build := fromBase(t, bases[0], "RUN echo hello > /hello")
	if err := daemon.Build(t.Context(), build); err != nil {
		t.Fatal(err)
	}
	before := records(t, daemon)
	for name, stop := range map[string]func() error{"kill": daemon.Kill, "nothing": func() error { return nil }} {
		if err := stop(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := daemon.Restart(t.Context()); err != nil {
			t.Fatalf("restart after %s: %v", name, err)
		}
		if daemon.Addr() != addr {
			t.Errorf("address changed to %s after %s", daemon.Addr(), name)
		}
		if after := records(t, daemon); after < before {
			t.Errorf("%d records before %s, %d after", before, name, after)
		}
	}
	if err := daemon.Build(t.Context(), build); err != nil {
		t.Errorf("build after restart: %v", err)
	}
}

func TestPauseAndResume(t *testing.T) {
	daemon := labtest.Buildkitd(t)
	if err := daemon.Pause(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error)
	go func() {
		_, err := daemon.Buildctl(t.Context(), "du")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a paused daemon answered: %v", err)
	default:
	}
	if err := daemon.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("after resume: %v", err)
	}
}

func TestCloseInTheMiddleOfAStepLeavesNothing(t *testing.T) {
	for name, stop := range map[string]func(*lab.Buildkitd) error{
		"close": (*lab.Buildkitd).Close,
		"kill":  (*lab.Buildkitd).Kill,
		"close paused": func(d *lab.Buildkitd) error {
			if err := d.Pause(); err != nil {
				return err
			}
			return d.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := labtest.Registry(t)
			bases := labtest.Bases(t, registry, tiny)
			daemon := labtest.Buildkitd(t, registry)
			started := signalOn(registry, "/started")
			// The step tells that it runs, and then does not end by itself.
			build := fromBase(t, bases[0], "RUN wget -q -O /dev/null http://"+registry.Host()+"/started; sleep 100000")
			failed := make(chan error)
			go func() { failed <- daemon.Build(t.Context(), build) }()
			<-started
			if len(mountsUnder(t, daemon.Root())) == 0 {
				t.Error("a running step has no mounts: the test looks in the wrong place")
			}
			if len(processesUnder(t, daemon.Root())) == 0 {
				t.Error("a running step has no processes: the test looks in the wrong place")
			}
			if err := stop(daemon); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; err == nil {
				t.Error("the build succeeded")
			}
			if left := mountsUnder(t, daemon.Root()); len(left) > 0 {
				t.Errorf("left mounted: %v", left)
			}
			if left := processesUnder(t, daemon.Root()); len(left) > 0 {
				t.Errorf("left running: %v", left)
			}
			if err := daemon.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Dir(daemon.LogPath())); !os.IsNotExist(err) {
				t.Errorf("the daemon's directory is still there: %v", err)
			}
		})
	}
}

func TestGivenRootStaysAndGCPolicyIsSet(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{
		Root: root, GC: true, MaxParallelism: 3,
		Config: func(c buildkitd.Config) {
			c.Set([]map[string]any{{"all": true, "maxUsedSpace": "600MB"}}, "worker", "oci", "gcpolicy")
		},
	})
	client, err := daemon.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	workers, err := client.ListWorkers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := workers[0].GCPolicy; len(got) != 1 || got[0].MaxUsedSpace != 600<<20 {
		t.Errorf("policy is %+v", got)
	}
	if err := daemon.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); err != nil {
		t.Errorf("the given root is gone: %v", err)
	}
}

func TestFullDiskFailsBuild(t *testing.T) {
	registry := labtest.Registry(t)
	bases := labtest.Bases(t, registry, tiny)
	disk := labtest.Disk(t, 96<<20)
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Root: filepath.Join(disk.Path(), "root")}, registry)
	err := daemon.Build(t.Context(), fromBase(t, bases[0], "RUN dd if=/dev/urandom of=/large bs=1M count=200"))
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "no space left on device") {
		t.Errorf("got %v", err)
	}
}

func TestConfigurationErrorIsTold(t *testing.T) {
	labtest.Root(t, "buildkitd")
	_, err := lab.StartBuildkitd(t.Context(), lab.BuildkitdOptions{
		Config: func(c buildkitd.Config) { c.Set("no number", "worker", "oci", "max-parallelism") }})
	if err == nil || !strings.Contains(err.Error(), "toml") {
		t.Errorf("got %v", err)
	}
}

func TestToolsMissing(t *testing.T) {
	t.Setenv("STOKER_LAB_BIN", t.TempDir())
	_, err := lab.FindTools()
	if err == nil || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("got %v", err)
	}
}

// fromBase is a build of one instruction on a base image.
func fromBase(t *testing.T, base lab.Base, instruction string) lab.Build {
	t.Helper()
	dir := t.TempDir()
	text := "FROM " + base.Ref + "\n" + instruction + "\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return lab.Build{Dir: dir}
}

// records is how many records the daemon's cache has.
func records(t *testing.T, daemon *lab.Buildkitd) int {
	t.Helper()
	client, err := daemon.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	usage, err := client.DiskUsage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(usage)
}

// signalOn is closed by the first request for a path.
func signalOn(registry *lab.Registry, path string) <-chan struct{} {
	seen := make(chan struct{})
	once := sync.OnceFunc(func() { close(seen) })
	registry.Inject(lab.Fault{Status: http.StatusNotFound, Match: func(r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		once()
		return true
	}})
	return seen
}

func mountsUnder(t *testing.T, dir string) []string {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for _, m := range mounts {
		points = append(points, m.Mountpoint)
	}
	return points
}

// processesUnder are the processes whose root is an overlay of layers below dir. One that has a mere
// copy of the daemon's mounts, as each has that was given a mount namespace while they were there,
// is somebody else's.
func processesUnder(t *testing.T, dir string) []string {
	t.Helper()
	tables, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // a process may end between being listed and being read
		}
		roots, err := mountinfo.GetMountsFromReader(bytes.NewReader(text), mountinfo.SingleEntryFilter("/"))
		if err != nil {
			t.Fatal(err)
		}
		if len(roots) > 0 && strings.Contains(roots[0].VFSOptions, dir+"/") {
			pids = append(pids, filepath.Base(filepath.Dir(table)))
		}
	}
	return pids
}

// BuildKit ends at values of OpenTelemetry's variables that it does not know; a run goes on
// without its spans.
func TestOpenTelemetryEndsNoDaemon(t *testing.T) {
	for _, env := range []string{
		"OTEL_TRACES_EXPORTER=console", "OTEL_TRACES_EXPORTER=otlp,console", "OTEL_METRICS_EXPORTER=prometheus",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/json",
		"OTEL_BSP_MAX_QUEUE_SIZE=-1", "OTEL_BSP_MAX_QUEUE_SIZE=99999999999", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=-1",
	} {
		t.Run(env, func(t *testing.T) {
			name, value, _ := strings.Cut(env, "=")
			t.Setenv(name, value)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			labtest.Buildkitd(t) // fails the test where it does not answer
		})
	}
}
