package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/jsonlines"
)

// The messages are BuildKit's own, as v0.34.2 gave them.
func TestClassify(t *testing.T) {
	tests := []struct {
		message string
		want    Class
	}{
		{`failed to solve: 127.0.0.1:5000/swebench/x:latest: failed to resolve source metadata for 127.0.0.1:5000/swebench/x:latest: 127.0.0.1:5000/swebench/x:latest: not found`, Permanent},
		{`failed to solve: docker.io/a/b:1: failed to resolve source metadata for docker.io/a/b:1: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`, Permanent},
		{`failed to solve: r/a:1: failed to resolve source metadata for r/a:1: unexpected status from HEAD request to http://r/v2/a/manifests/1: 403 Forbidden`, Permanent},
		{`failed to solve: failed to push r/a:1: unexpected status from POST request to http://r/v2/a/blobs/uploads/: 401 Unauthorized`, Permanent},
		{`failed to solve: dockerfile parse error on line 3: unknown instruction: FORM`, Permanent},
		{`failed to solve: target stage "x" could not be found`, Permanent},
		{`failed to solve: failed to parse stage name "A B": invalid reference format`, Permanent},
		{`failed to solve: failed to load LLB: network.host is not allowed`, Permanent},
		{`failed to solve: process "/bin/sh -c exit 3" did not complete successfully: exit code: 3`, StepFailed},
		{`failed to solve: executor failed running [/bin/sh -c echo "]: exit code: 9"; exit 3]: exit code: 3`, StepFailed},
		{`failed to solve: process "/bin/sh -c exit 3" did not complete successfully: exit code: 137: context canceled`, Transient},
		{`failed to solve: process "/bin/sh -c echo \"429 Too Many Requests\"" did not complete successfully: runc run failed: unable to start container process`, Transient},
		{`failed to solve: process "/bin/sh -c true" did not complete successfully: unable to find user x: no matching entries in passwd file`, Permanent},
		{`failed to solve: secret token: not found`, Permanent},
		{`target base: failed to solve: secret token: not found`, Permanent},
		{`failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: "/none": not found`, Permanent},
		{`failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: "/no space left on device": not found`, Permanent},
		{`failed to solve: lstat /nosuch: no such file or directory`, Permanent},
		{`failed to solve: dockerfile parse error on line 3: unknown instruction: 429 Too Many Requests`, Permanent},
		{`failed to solve: r/a:1: failed to resolve source metadata for r/a:1: failed to do request: Head "http://r/v2/a/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused`, Transient},
		{`failed to solve: r/a:1: unexpected status from HEAD request to http://r/v2/a/manifests/1: 503 Service Unavailable`, Transient},
		{`ResourceExhausted: failed to copy: write /x: no space left on device`, NoSpace},
		{`failed to solve: r/a:1: unexpected status from HEAD request to http://r/v2/a/manifests/1: 429 Too Many Requests`, Throttled},
		{`failed to solve: failed to copy: httpReadSeeker: failed open: unexpected status code https://cdn/x: 429 Too Many Requests - Server message: toomanyrequests: slow down`, Throttled},
		{`failed to solve: process "/bin/sh -c true" did not complete successfully: unable to find user toomanyrequests: no matching entries in passwd file`, Permanent},
		{`failed to solve: secret toomanyrequests: not found`, Permanent},
		{`failed to solve: r/toomanyrequests:1: failed to resolve source metadata for r/toomanyrequests:1: r/toomanyrequests:1: not found`, Permanent},
		{`failed to solve: failed to load cache key: digest mismatch for http://h/x: sha256:a (expected: sha256:b)`, Permanent},
		{`failed to solve: failed to load cache key: invalid response status 404`, Permanent},
		{`failed to solve: failed to load cache key: invalid response status 503`, Transient},
		{`failed to solve: unset ssh forward key default`, Permanent},
		{`failed to solve: failed to read dockerfile: open Nope: no such file or directory`, Permanent},
		{`failed to solve: failed to read dockerfile: failed to load cache key: failed to fetch remote https://h/x.git: git stderr:\nfatal: unable to access 'https://h/x.git/': Could not resolve host: h`, Transient},
		{"failed to solve: failed to load cache key: failed to fetch remote https://h/x.git: git stderr:\nfatal: repository 'https://h/x.git/' not found: exit status 128", Permanent},
		{"failed to solve: failed to load cache key: failed to fetch remote git@h:x.git: git stderr:\nERROR: Repository not found.\nfatal: Could not read from remote repository.: exit status 128", Permanent},
		{"failed to solve: failed to load cache key: failed to fetch remote https://h/x.git: git stderr:\nfatal: could not read Username for 'https://h': terminal prompts disabled: exit status 128", Permanent},
		{"failed to solve: failed to load cache key: failed to fetch remote https://h/not-found.git: git stderr:\nfatal: unable to access 'https://h/not-found.git/': The requested URL returned error: 503: exit status 128", Transient},
		{`failed to solve: failed to load cache key: repository does not contain ref none, output: ""`, Permanent},
		{`failed to solve: failed to load cache key: invalid subdir none: failed to lstat "none": statat none: no such file or directory`, Permanent},
		{`failed to solve: failed to load cache key: invalid subdir a/b: git subpath "a/b" contains non-directory "a"`, Permanent},
		{`failed to solve: error from sender: open /ctx/private: permission denied`, Permanent},
		{`failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: too many links`, Permanent},
		{`failed to solve: docker exporter does not support exporting manifest lists, use the oci exporter instead`, Permanent},
		{`failed to solve: failed to push r/t:o: can't push tagged ref r/t:o by digest`, Permanent},
		{`multiple outputs currently unsupported by the current BuildKit daemon, please upgrade to version v0.13+ or use a single output`, Permanent},
		{`failed to solve: --chown=agent: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead`, Permanent},
		{`failed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 5: Unknown flag: link`, Permanent},
		{`failed to solve: index annotations not supported for single platform export`, Permanent},
		{`failed to solve: invalid annotation: no platform linux/arm64 found in source`, Permanent},
		{`failed to commit 0v89ugv8166 to j65fk5sj6l2 during finalize: failed to stat active key during commit: snapshot does not exist: not found`, BrokenCache},
		{`failed to compute cache key: content sha256:aaaa: not found`, BrokenCache},
		{`failed to prepare a1 as b2: failed to rename: rename /r/snapshots/new-17 /r/snapshots/42: file exists`, BrokenCache},
		{`failed to copy: unexpected commit digest sha256:a, expected sha256:b: failed precondition`, BrokenCache},
		{`rpc error: code = Unavailable desc = error reading from server: EOF`, BuilderLost},
	}
	for _, tt := range tests {
		if got, why := Classify(errors.New(tt.message)); got != tt.want || (why == "") != (got == Transient || got == StepFailed) {
			t.Errorf("%s (%s), want %s: %s", got, why, tt.want, tt.message)
		}
	}
}

// What a step runs or prints decides nothing, whatever BuildKit quotes of it.
func TestClassifyUsersText(t *testing.T) {
	for _, text := range []string{"checksum mismatch", "no space left on device", "429 Too Many Requests", "pull access denied", "transport is closing"} {
		message := fmt.Sprintf("failed to solve: process %q did not complete successfully: exit code: 1", "/bin/sh -c echo \"error: "+text+"\"; exit 1")
		for _, err := range []error{errors.New(message), &gwpb.ExitError{ExitCode: 1, Err: errors.New(message)},
			&stepError{error: errors.New(message), output: []string{"error: " + text}}} {
			if got, why := Classify(err); got != StepFailed || why != "" {
				t.Errorf("%s (%s): %v", got, why, err)
			}
			if OfRegistry(err) {
				t.Errorf("taken for a request to a registry: %v", err)
			}
		}
	}
}

func TestClassifyTypes(t *testing.T) {
	frame := `process "/bin/sh -c x" did not complete successfully: `
	for _, tt := range []struct {
		err  error
		want Class
	}{
		{status.Error(codes.Unavailable, "x"), BuilderLost},
		{fmt.Errorf("failed to solve: %w", grpcerrors.WrapCode(errors.New("x"), codes.Unavailable)), BuilderLost},
		{&gwpb.ExitError{ExitCode: 137, Err: errors.New(frame + "cannot allocate memory")}, StepFailed},
		{&gwpb.ExitError{ExitCode: 255, Err: errors.New(frame + "mkdir /run/x: no space left on device")}, NoSpace},
		{&gwpb.ExitError{ExitCode: 1, Err: errors.New("the frontend ended: exit code: 1")}, Transient},
	} {
		if got, _ := Classify(tt.err); got != tt.want {
			t.Errorf("%s, want %s: %v", got, tt.want, tt.err)
		}
	}
}

func TestOfRegistry(t *testing.T) {
	for message, want := range map[string]bool{
		`failed to push r/a:1: failed to do request: Head "http://r/v2/a/blobs/sha256:b": EOF`:           true,
		`unexpected status from POST request to http://r/v2/a/blobs/uploads/: 500 Internal Server Error`: true,
		`process "/bin/sh -c make" did not complete successfully: exit code: 1`:                          false,
	} {
		if got := OfRegistry(errors.New(message)); got != want {
			t.Errorf("%v, want %v: %s", got, want, message)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for message, want := range map[string]time.Duration{
		"429 Too Many Requests, Retry-After: 7": 7 * time.Second, "429 Too Many Requests": 0,
		"toomanyrequests: retry-after: 985.86µs, allowed: 44000/minute": 985860 * time.Nanosecond, "retry after 99999999999999999999": 0,
	} {
		if got := RetryAfter(errors.New(message)); got != want {
			t.Errorf("%q: %s, want %s", message, got, want)
		}
	}
}

// What stands in the step that failed is the user's, not BuildKit's.
func TestClassifyWordsOfTheStep(t *testing.T) {
	for step, message := range map[string]string{
		`ENV A="${X:?no space left on device}"`:    `failed to solve: failed to process "\"${X:?no space left on device}\"": X: no space left on device`,
		`COPY ["a", "/n/transport is closing/"]`:   `failed to solve: failed to copy files: mkdir /n/transport is closing: not a directory`,
		`WORKDIR /n/snapshot\ x\ does\ not\ exist`: `failed to solve: mkdir /n/snapshot x does not exist: not a directory`,
	} {
		err := errdefs.WithSource(errors.New(message), &errdefs.Source{
			Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM x\n" + step + "\n")},
			Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
		})
		if got, why := Classify(err); got != Transient {
			t.Errorf("%s (%s): %s", got, why, step)
		}
	}
}

// A full disk on which Stoker writes an image's file is not the builder's.
func TestOutputFull(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := rows.Collect("rows", jsonlines.New(strings.NewReader(`{"id": "a"}`)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(plan.Spec{Context: dir, Outputs: []string{"type=local,dest=" + dir + "/out"}}, in)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for path, want := range map[string]Class{dir + "/out/bin/sh": Permanent, "/var/lib/buildkit/x": NoSpace} {
		err := ofOutput(p.Jobs[0], fmt.Errorf("failed to solve: error from receiver: write %s: no space left on device", path))
		if got, why := Classify(err); got != want {
			t.Errorf("%s: %s (%s), want %s", path, got, why, want)
		}
	}
}
