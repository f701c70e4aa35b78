package cli

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/engine"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/registry"
)

// options turns the flags into the builder's; with existingOnly no private
// builder is started.
func (o builderOptions) options(registries []string, existingOnly bool) builder.Options {
	return builder.Options{
		Name: o.name, Buildkitd: o.buildkitd, BuildkitdConfig: o.config, StateDir: o.stateDir, ExistingOnly: existingOnly,
		InsecureRegistries: append(slices.Clip(o.insecure), loopback(registries)...),
	}
}

// existing returns the nearest directory of a path that exists.
func existing(path string) string {
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return path
}

func (o builderOptions) connect(ctx context.Context, registries []string) (*builder.Builder, error) {
	return builder.Connect(ctx, o.options(registries, false))
}

// loopback returns the hosts that are on this machine.
func loopback(hosts []string) []string {
	var out []string
	for _, h := range hosts {
		host := h
		if name, _, err := net.SplitHostPort(h); err == nil {
			host = name
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if host == "localhost" || ip != nil && ip.IsLoopback() {
			out = append(out, h)
		}
	}
	return out
}

// recovery returns how processes take turns at mending a builder; nil to mend
// nothing.
func (o buildOptions) recovery(builderName string) *recovery.Turns {
	if !o.run.recover {
		return nil
	}
	path := o.run.recoverBy
	if path == "" {
		name := digest.FromString(builderName).Encoded()[:16]
		path = filepath.Join(o.builder.stateDir, "recovery", name+".lock")
	}
	return &recovery.Turns{Path: path, Interval: o.run.recoverGap}
}

func engineNodes(b *builder.Builder) []engine.Node {
	var nodes []engine.Node
	for _, n := range b.Nodes() {
		nodes = append(nodes, n)
	}
	return nodes
}

// sizes asks for the sizes of layers where the builder does, once and without
// patience: they only make forecasts better.
func (o builderOptions) sizes(mirrors builder.Mirrors, limits *registry.Limits) *layers.Sizes {
	return layers.NewSizes(layers.Options{Dir: filepath.Join(o.stateDir, "chains"), Tries: 1,
		Insecure: append(mirrors.Plain, o.insecure...), Mirrors: mirrors.Of, Transport: limits.Read(remote.DefaultTransport)})
}
