package builder

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	bkconfig "github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/pelletier/go-toml/v2"

	"github.com/stoker-build/stoker/internal/buildkitd"
)

// privateConfig is the configuration of a private buildkitd, as its file has it:
// the user's own, if any, and what Stoker needs to be so.
type privateConfig struct {
	buildkitd.Config
	runc []string // names of the program that runs the containers of steps
}

// readConfig reads the user's configuration; empty for none.
func readConfig(file string) (privateConfig, error) {
	c := privateConfig{buildkitd.Config{}, runcNames}
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("--buildkitd-config: %w", err)
	}
	config, err := bkconfig.Load(bytes.NewReader(text))
	if err = errors.Join(err, toml.Unmarshal(text, &c.Config)); err != nil {
		return c, fmt.Errorf("--buildkitd-config %s: %w", file, err)
	}
	if own := config.Workers.OCI.Binary; own != "" {
		c.runc = []string{own}
	}
	return c, nil
}

// complete sets what Stoker needs: that the daemon collects no garbage, and which
// registries it may talk to without TLS.
func (c privateConfig) complete(insecure []string) buildkitd.Config {
	// Stoker sweeps by plan; a collector that guesses from the past would take
	// what the plan still needs.
	c.Set(false, "worker", "oci", "gc")
	c.Set(false, "worker", "containerd", "enabled")
	for _, host := range insecure {
		c.Set(true, "registry", host, "http")
		c.Set(true, "registry", host, "insecure")
	}
	return c.Config
}
