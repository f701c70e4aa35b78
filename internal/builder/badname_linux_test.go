package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stoker-build/stoker/internal/plan"
)

// What cannot be sent is told by its name, unless it is left out of the context.
func TestNameThatIsNotUTF8(t *testing.T) {
	// As v0.34.2 has it.
	err := grpcerrors.FromGRPC(status.Error(codes.Internal, "rpc error: code = Internal desc = grpc: error while marshaling: string field contains invalid UTF-8"))
	const why = "a name or a text that is to be sent to the builder is not UTF-8: "
	for _, tt := range []struct {
		name string
		make func(context, other string) error
		want func(context, other string) string
	}{
		{"a file below", func(c, _ string) error { return os.WriteFile(c+"/b/n\xff.txt", nil, 0o600) }, func(c, _ string) string { return c + `/b/n\xff.txt` }},
		{"a directory", func(c, _ string) error { return os.Mkdir(c+"/\xff", 0o700) }, func(c, _ string) string { return c + `/\xff` }},
		{"a link", func(c, _ string) error { return os.Symlink("\xff", c+"/link") }, func(c, _ string) string { return c + "/link" }},
		{"in another context", func(_, o string) error { return os.WriteFile(o+"/n\xff", nil, 0o600) }, func(_, o string) string { return o + `/n\xff` }},
		{"left out", func(c, _ string) error { return os.WriteFile(c+"/ignored/n\xff", nil, 0o600) }, nil},
		{"none", func(_, _ string) error { return nil }, nil},
	} {
		context, other := t.TempDir(), t.TempDir()
		_ = os.MkdirAll(filepath.Join(context, "b"), 0o700)
		_ = os.MkdirAll(filepath.Join(context, "ignored"), 0o700)
		_ = os.WriteFile(filepath.Join(context, ".dockerignore"), []byte("ignored\n"), 0o600)
		if err := tt.make(context, other); err != nil {
			t.Fatal(err)
		}
		job := &plan.Job{}
		job.Options.Inputs = build.Inputs{ContextPath: context, NamedContexts: map[string]build.NamedContext{"other": {Path: other}, "far": {Path: "https://example.com/x.git"}}}
		want := why + "Internal: rpc error: code = Internal desc = grpc: error while marshaling: string field contains invalid UTF-8"
		if tt.want != nil {
			want = why + `"` + tt.want(context, other) + `": rename it, or leave it out with a .dockerignore`
		}
		if f := ReasonOf(job, err); f.Class != string(Permanent) || f.Reason() != want {
			t.Errorf("%s: %s, %s, want %s", tt.name, f.Class, f.Reason(), want)
		}
	}
}
