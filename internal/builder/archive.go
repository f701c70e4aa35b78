package builder

import (
	"context"
	"fmt"
	"strings"

	composecli "github.com/compose-spec/compose-go/v2/cli"
	"github.com/docker/buildx/bake"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// The largest bake file that is read, as for buildx.
const mostDefinition = 2 << 20

// ofArchive is how buildx v0.38.2 fails on every archive: it gives the step that unpacks it
// what it does not take (filesFromURLRef in its bake/remote.go).
const ofArchive = "invalid input type *llb.State for copy"

// archived has a node read bake files of an archive that an address is of. The contexts of
// targets are in it.
func (b *Builder) archived(ctx context.Context, url string, names []string) (files []bake.File, in *bake.Input, err error) {
	fetched, name, is := dockerui.DetectHTTPContext(url)
	if !is {
		return nil, nil, fmt.Errorf("%s is no address of an archive", url)
	}
	unpacked := llb.Scratch().File(llb.Copy(*fetched, name, "/", &llb.CopyInfo{AttemptUnpack: true}))
	definition, err := unpacked.Marshal(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := b.Nodes()[0].node.Driver.Client(ctx)
	if err != nil {
		return nil, nil, err
	}
	_, err = c.Build(ctx, client.SolveOpt{Internal: true}, "stoker", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		res, err := c.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB()})
		if err != nil {
			return nil, err
		}
		ref, err := res.SingleRef()
		if err != nil {
			return nil, err
		}
		files, err = definitionsOf(ctx, ref, names)
		return gateway.NewResult(), err
	}, nil)
	return files, &bake.Input{State: &unpacked, URL: url}, err
}

// definitionsOf reads the files that are named, or those that are there of those that bake
// looks for.
func definitionsOf(ctx context.Context, ref gateway.Reference, names []string) (files []bake.File, err error) {
	looking := len(names) == 0
	if looking {
		names = append(append(names, composecli.DefaultFileNames...), "docker-bake.json", lookedFor, "docker-bake.override.json", "docker-bake.override.hcl")
	}
	for _, name := range names {
		stat, err := ref.StatFile(ctx, gateway.StatRequest{Path: name})
		if err != nil && looking && strings.HasSuffix(err.Error(), name+notThere) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if stat.Size > mostDefinition {
			return nil, fmt.Errorf("%s is larger than 2 MB: it is no bake file", name)
		}
		data, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: name})
		if err != nil {
			return nil, err
		}
		files = append(files, bake.File{Name: name, Data: data})
	}
	return files, nil
}
