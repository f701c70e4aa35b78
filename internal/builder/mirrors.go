package builder

import (
	"bytes"
	"strings"

	buildxbuilder "github.com/docker/buildx/builder"
	bkconfig "github.com/moby/buildkit/cmd/buildkitd/config"
)

// Mirrors are where a builder asks for the images of a registry before it asks
// that itself.
type Mirrors struct {
	// Of are the mirrors by the registry's host, such as docker.io: hosts, perhaps
	// with a path.
	Of map[string][]string
	// Plain are hosts that are asked without TLS.
	Plain []string
}

// Mirrors returns the mirrors of the builder's nodes, as far as their configuration
// can be seen from here.
func (b *Builder) Mirrors() Mirrors {
	m := Mirrors{Of: map[string][]string{}}
	for _, n := range b.bxNodes() {
		config, _, err := configOf(n)
		if err != nil {
			continue
		}
		for host, r := range config.Registries {
			if len(m.Of[host]) == 0 {
				m.Of[host] = r.Mirrors
			}
			if r.PlainHTTP != nil && *r.PlainHTTP {
				m.Plain = append(m.Plain, host)
			}
		}
	}
	return m
}

// configOf reads a node's configuration: that which buildx gave it, or that of a
// daemon of this machine. It tells whether that can be seen from here.
func configOf(n buildxbuilder.Node) (config bkconfig.Config, seen bool, err error) {
	if file := n.Files["buildkitd.toml"]; len(file) > 0 {
		config, err = bkconfig.Load(bytes.NewReader(file))
		return config, err == nil, err
	}
	path, local := strings.CutPrefix(n.Driver.Config().EndpointAddr, "unix://")
	if !local {
		return config, false, nil
	}
	pid, err := Listener(path)
	if err != nil || pid <= 0 {
		return config, false, err
	}
	config, err = processOf(pid).config()
	return config, err == nil, err
}
