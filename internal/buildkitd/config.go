package buildkitd

import (
	"os"

	"github.com/pelletier/go-toml/v2"
)

// Config is a daemon's configuration, as its file has it: tables within tables.
// BuildKit's own type for it can be read only: it would be written with sizes
// and times that BuildKit refuses.
type Config map[string]any

// Set sets a value in a table within tables, which are made where they are not
// there.
func (c Config) Set(value any, path ...string) {
	table := map[string]any(c)
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

func (c Config) write(path string) error {
	text, err := toml.Marshal(map[string]any(c))
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte("# Written at each start.\n"), text...), 0o600)
}
