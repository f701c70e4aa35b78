package builder

import (
	"os"
	"path/filepath"

	"github.com/docker/buildx/store"
	"github.com/docker/buildx/util/confutil"
)

// Names returns the names of the builders that buildx knows; none where it was
// never used. No builder is asked, and nothing is made.
func Names() ([]string, error) {
	cli, err := dockerCLI()
	if err != nil {
		return nil, err
	}
	config := confutil.NewConfig(cli)
	if _, err := os.Stat(filepath.Join(config.Dir(), "instances")); err != nil {
		return nil, nil // a store would be made
	}
	known, err := store.New(config)
	if err != nil {
		return nil, err
	}
	txn, release, err := known.Txn()
	if err != nil {
		return nil, err
	}
	defer release()
	groups, err := txn.List()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names, nil
}
