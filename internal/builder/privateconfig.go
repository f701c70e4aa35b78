package builder

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	bkconfig "github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/pelletier/go-toml/v2"
)

// daemonConfig is the configuration of a private buildkitd, as its file has it:
// the user's own, if any, and what Stoker needs to be so.
type daemonConfig struct {
	table map[string]any
	runc  []string // names of the program that runs the containers of steps
}

// readConfig reads the user's configuration; empty for none.
func readConfig(file string) (daemonConfig, error) {
	c := daemonConfig{map[string]any{}, runcNames}
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("--buildkitd-config: %w", err)
	}
	config, err := bkconfig.Load(bytes.NewReader(text))
	if err = errors.Join(err, toml.Unmarshal(text, &c.table)); err != nil {
		return c, fmt.Errorf("--buildkitd-config %s: %w", file, err)
	}
	if own := config.Workers.OCI.Binary; own != "" {
		c.runc = []string{own}
	}
	return c, nil
}

// set sets a value in a table within tables, which are made where they are not
// there.
func (c daemonConfig) set(value any, path ...string) {
	table := c.table
	for _, name := range path[:len(path)-1] {
		inner, ok := table[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			table[name] = inner
		}
		table = inner
	}
	table[path[len(path)-1]] = value
}

// complete sets what Stoker needs: where the daemon is, that it collects no
// garbage, and which registries it may talk to without TLS.
func (c daemonConfig) complete(root, address string, insecure []string) {
	c.set(root, "root")
	c.set([]string{address}, "grpc", "address")
	// Stoker sweeps by plan; a collector that guesses from the past would take
	// what the plan still needs.
	c.set(false, "worker", "oci", "gc")
	c.set(false, "worker", "containerd", "enabled")
	for _, host := range insecure {
		c.set(true, "registry", host, "http")
		c.set(true, "registry", host, "insecure")
	}
}

func (c daemonConfig) write(path string) error {
	text, err := toml.Marshal(c.table)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte("# Written by stoker at each start.\n"), text...), 0o600)
}
