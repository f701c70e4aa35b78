package builder

import (
	"errors"
	"testing"
	"time"
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
		{`failed to solve: process "/bin/sh -c exit 3" did not complete successfully: exit code: 3`, Transient},
		{`failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: "/none": not found`, Transient},
		{`failed to solve: r/a:1: failed to resolve source metadata for r/a:1: failed to do request: Head "http://r/v2/a/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused`, Transient},
		{`failed to solve: r/a:1: unexpected status from HEAD request to http://r/v2/a/manifests/1: 503 Service Unavailable`, Transient},
		{`ResourceExhausted: failed to copy: write /x: no space left on device`, NoSpace},
		{`failed to solve: r/a:1: unexpected status from HEAD request to http://r/v2/a/manifests/1: 429 Too Many Requests`, Throttled},
		{`failed to commit 0v89ugv8166 to j65fk5sj6l2 during finalize: failed to stat active key during commit: snapshot does not exist: not found`, BrokenCache},
		{`failed to compute cache key: content sha256:aaaa: not found`, BrokenCache},
		{`failed to prepare a1 as b2: failed to rename: rename /r/snapshots/new-17 /r/snapshots/42: file exists`, BrokenCache},
		{`failed to copy: unexpected commit digest sha256:a, expected sha256:b: failed precondition`, BrokenCache},
		{`rpc error: code = Unavailable desc = error reading from server: EOF`, BuilderLost},
	}
	for _, tt := range tests {
		if got, why := Classify(errors.New(tt.message)); got != tt.want || (why == "") != (got == Transient) {
			t.Errorf("%s (%s), want %s: %s", got, why, tt.want, tt.message)
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
