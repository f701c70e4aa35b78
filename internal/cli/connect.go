package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/visible"
)

// options turns the flags into the builder's; with existingOnly no private
// builder is started.
func (o builderOptions) options(registries []string, existingOnly bool) builder.Options {
	loopback := slices.DeleteFunc(slices.Clone(registries), func(host string) bool { return !imageref.Loopback(host) })
	return builder.Options{
		Names: o.names, TLS: o.tls, Buildkitd: o.buildkitd, BuildkitdConfig: o.config, StateDir: o.stateDir, ExistingOnly: existingOnly, Credentials: o.credentials,
		InsecureRegistries: slices.Concat(o.insecure, loopback),
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

// connectSilence is how long a builder is waited for without a word.
const connectSilence = 3 * time.Second

// connect reaches the builder, and says what is waited for where that takes long.
func (o builderOptions) connect(ctx context.Context, w io.Writer, registries []string) (*builder.Builder, error) {
	slow := time.AfterFunc(connectSilence, func() { fmt.Fprintln(w, "waiting for the builder to answer") })
	defer slow.Stop()
	return builder.Connect(ctx, o.options(registries, false))
}

// tellMissing warns of builders and nodes that could not be reached, and says what becomes
// of the nodes.
func tellMissing(w io.Writer, b *builder.Builder, ofNodes string) {
	for _, warning := range unreached(b) {
		fmt.Fprintf(w, "warning: %s\n", visible.Line(warning))
	}
	for _, l := range b.Late() {
		fmt.Fprintf(w, "warning: %s %s: %s\n", visible.Line(l.Name()), ofNodes, visible.Line(l.Why()))
	}
}

// unreached warns of builders that could not be reached.
func unreached(b *builder.Builder) (warnings []string) {
	for _, why := range b.LeftOut() {
		warnings = append(warnings, "a builder is left out: "+why)
	}
	return warnings
}

// What becomes of nodes that do not answer.
const (
	isLeftOut = "is left out"
	isAwaited = "does not answer yet, and is taken in when it does"
)

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

func nodesOf(b *builder.Builder) []run.Node {
	var nodes []run.Node
	for _, n := range b.Nodes() {
		nodes = append(nodes, n)
	}
	return nodes
}

// late is a node that may come late, as a run knows it.
type late struct{ *builder.Late }

// Await implements run.Late.
func (l late) Await(ctx context.Context) (run.Node, error) {
	n, err := l.Late.Await(ctx)
	if err != nil {
		return nil, err
	}
	return n, nil
}

func lateOf(b *builder.Builder) []run.Late {
	var all []run.Late
	for _, l := range b.Late() {
		all = append(all, late{l})
	}
	return all
}

// registries asks them where a builder does that has mirrors.
func (o builderOptions) registries(mirrors builder.Mirrors) (*registry.Client, error) {
	return registry.New(registry.Options{Insecure: slices.Concat(mirrors.Plain, o.insecure), Mirrors: mirrors.Of, Credentials: o.credentials, Chains: filepath.Join(o.stateDir, "chains"),
		Files: filepath.Join(o.stateDir, "files")})
}

// attributions keep which records of builders runs of Stoker's made.
func (o builderOptions) attributions() ledger.Attributions {
	return ledger.Attributions{Dir: filepath.Join(o.stateDir, "attributions")}
}
