// Package linktest has BuildKit's own frontend turn Dockerfiles into definitions, for tests of
// what is found out of them.
package linktest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Context is the directory of this machine that COPY copies of.
const Context = "/context"

// Base is what every base image is resolved to.
var Base = digest.FromString("base image")

// Definition is what BuildKit makes of a Dockerfile, and the image's config.
func Definition(t testing.TB, dockerfile string) (*pb.Definition, []byte) {
	t.Helper()
	state := llb.Local(Context)
	caps := pb.Caps.CapSet(pb.Caps.All())
	r, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(dockerfile), dockerfile2llb.ConvertOpt{
		MetaResolver: resolver{}, LLBCaps: &caps, Config: dockerui.Config{},
		MainContext: &state, SourceMap: llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte(dockerfile)),
	})
	if err != nil {
		t.Fatalf("%s: %v", dockerfile, err)
	}
	def, err := r.State.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(r.Image)
	if err != nil {
		t.Fatal(err)
	}
	return def.ToPB(), config
}

// resolver has each reference stand for the same image.
type resolver struct{}

// ResolveImageConfig implements the frontend's resolver.
func (resolver) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var config ocispecs.Image
	config.OS, config.Architecture = "linux", "amd64"
	config.RootFS = ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{Base}} // without layers it would be no image
	raw, err := json.Marshal(config)
	return ref, Base, raw, err
}
