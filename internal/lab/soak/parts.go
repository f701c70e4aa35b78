package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/strays"
)

const (
	// ownBytes are in each built image, and in no other. They are no more than lab.Files keeps the content of.
	ownBytes = mb
	// flakiness is the share of requests that the registry fails.
	flakiness = 0.05
)

// dockerfile keeps the sum of what it makes up, so that content which a crash or a full disk spoilt shows in the image.
// It writes with dd, which fails on a full disk, and its step lasts a moment, so that kills find steps running.
const dockerfile = `ARG BASE_IMAGE
ARG BUILDER_IMAGE
FROM ${BUILDER_IMAGE} AS builder
FROM ${BASE_IMAGE}
ARG OWN_BYTES
RUN mkdir -p /opt/agent && cat /testbed/*.txt > /opt/agent/from-base && \
    head -c "$OWN_BYTES" /dev/urandom | dd of=/opt/agent/own bs=64k && \
    sha256sum < /opt/agent/own > /opt/agent/own.sum && sleep 0.2
COPY --from=builder /agent /agent
COPY agent.txt /opt/agent/agent.txt
`

const agentText = "agent\n"

// parts are what a soak runs against.
type parts struct {
	dir      string
	tools    lab.Tools
	registry *lab.Registry
	disks    []*lab.Disk // of stoker's own daemon, or of each node
	nodes    []*node     // none where stoker has a daemon of its own
	bases    []lab.Base
	builder  lab.Base
	mend     func() // ends the flakiness of the registry
}

func makeParts(ctx context.Context, o options) (_ *parts, err error) {
	p := &parts{dir: o.dir, mend: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.tools, err = lab.FindTools(); err != nil {
		return nil, err
	}
	if p.registry, err = lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true, Seed: o.seed}); err != nil {
		return nil, err
	}
	if err = p.makeImages(ctx, o.images); err != nil {
		return nil, err
	}
	if err = p.writeInputs(); err != nil {
		return nil, err
	}
	if err = p.makeDaemons(ctx, o); err != nil {
		return nil, err
	}
	p.mend = p.registry.Inject(lab.Fault{Status: http.StatusInternalServerError, Fraction: flakiness})
	return p, nil
}

// makeDaemons makes the disks and, where there are several, the daemons on them.
func (p *parts) makeDaemons(ctx context.Context, o options) error {
	for range o.nodes {
		disk, err := lab.NewDisk(o.disk)
		if err != nil {
			return err
		}
		p.disks = append(p.disks, disk)
		if o.nodes == 1 {
			break
		}
		n, err := newNode(ctx, p, disk)
		if err != nil {
			return err
		}
		p.nodes = append(p.nodes, n)
	}
	return nil
}

func (p *parts) makeImages(ctx context.Context, images int) (err error) {
	const projects = 10
	names := lab.Spread(lab.Instances(projects, (images+projects-1)/projects), images)
	p.bases, err = lab.MakeBases(ctx, p.registry.Host(), lab.Shape{
		Instances: names, OSBytes: 2 * mb, EnvBytes: 4 * mb, EnvLayers: 2, OwnBytes: mb / 4,
	})
	if err != nil {
		return err
	}
	p.builder, err = lab.MakeBuilder(ctx, p.registry.Host(), mb/4, 0)
	return err
}

func (p *parts) writeInputs() error {
	var list strings.Builder
	for _, base := range p.bases {
		fmt.Fprintln(&list, base.Ref)
	}
	return errors.Join(
		os.Mkdir(p.context(), 0o755),
		os.Mkdir(p.others(), 0o755),
		os.Mkdir(p.dockerConfig(), 0o755),
		os.Mkdir(p.tmp(), 0o755),
		os.WriteFile(p.list(), []byte(list.String()), 0o644),
		os.WriteFile(filepath.Join(p.context(), "Dockerfile"), []byte(dockerfile), 0o644),
		os.WriteFile(filepath.Join(p.context(), "agent.txt"), []byte(agentText), 0o644),
		os.WriteFile(filepath.Join(p.others(), "Dockerfile"), []byte(othersDockerfile), 0o644),
		os.WriteFile(filepath.Join(p.others(), "agent.txt"), []byte("others\n"), 0o644),
	)
}

// The places of things.
func (p *parts) list() string         { return filepath.Join(p.dir, "bases.txt") }
func (p *parts) context() string      { return filepath.Join(p.dir, "context") }
func (p *parts) others() string       { return filepath.Join(p.dir, "others") }
func (p *parts) dockerConfig() string { return filepath.Join(p.dir, "docker") }
func (p *parts) tmp() string          { return filepath.Join(p.dir, "tmp") }
func (p *parts) output() string       { return filepath.Join(p.dir, "out") }
func (p *parts) log() string          { return filepath.Join(p.dir, "stoker.log") }
func (p *parts) state() string        { return filepath.Join(p.disks[0].Path(), "state") }

// target is the reference of the image that is built on a base image.
func (p *parts) target(name string) string { return p.registry.Host() + "/soak/" + name + ":1" }

// logs is an error that shows the ends of the logs.
func (p *parts) logs() error {
	text := fmt.Sprintf("end of %s:\n%s", p.log(), tail(p.log(), 20<<10))
	for _, log := range p.daemonLogs() {
		text += fmt.Sprintf("\nend of %s:\n%s", log, tail(log, 2<<10))
	}
	return errors.New(text)
}

func (p *parts) daemonLogs() []string {
	if len(p.nodes) == 0 {
		return []string{filepath.Join(p.state(), "buildkit", "buildkitd.log")}
	}
	var logs []string
	for _, n := range p.nodes {
		logs = append(logs, n.LogPath())
	}
	return logs
}

func tail(path string, bytes int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-bytes):])
}

// close takes down what was made; makeParts may not have come to all of it. What a stoker that failed left mounted goes
// first: it would hold the disk.
func (p *parts) close() error {
	errs := []error{strays.Unmount(p.dir)}
	errs = append(errs, p.closeNodes())
	for _, disk := range p.disks {
		errs = append(errs, strays.Clear(disk.Path()), disk.Close())
	}
	if p.registry != nil {
		errs = append(errs, p.registry.Close())
	}
	return errors.Join(errs...)
}

func (p *parts) closeNodes() error {
	var errs []error
	for _, n := range p.nodes {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}
