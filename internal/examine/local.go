package examine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/paths"
)

// local looks at what is on this machine.
func (e *examination) local() {
	tried := map[string]bool{}
	for _, w := range e.Writes {
		if tried[w.Flag+w.Path] || paths.InPlace(w.Path) {
			continue
		}
		tried[w.Flag+w.Path] = true
		if err := writable(w.Path, tried); err != nil {
			e.add(check.Finding{Severity: check.Fault, Kind: check.Output, Text: fmt.Sprintf("%s: %q cannot be written: %s", w.Flag, w.Path, err)})
		}
	}
	for _, j := range e.Plan.Jobs {
		for _, s := range j.Options.SecretSpecs {
			if _, set := os.LookupEnv(s.Env); s.Env != "" && !set {
				e.add(check.Finding{Severity: check.Warning, Kind: check.Secret, Jobs: []string{j.Name},
					Text: fmt.Sprintf("--secret id=%s: the variable %s is not set, so that the secret is empty", s.ID, s.Env)})
			}
		}
	}
}

// writable makes sure that a file or directory can be written, or made: in the nearest
// directory that exists a file is made and taken away. Each is tried once.
func writable(path string, tried map[string]bool) error {
	dir := path
	for {
		info, err := os.Stat(dir)
		if err == nil && (info.IsDir() || dir != path) {
			break
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return err
		}
		dir = filepath.Dir(dir)
	}
	if tried[dir] {
		return nil
	}
	f, err := os.CreateTemp(dir, ".stoker-try-")
	if err != nil {
		return err
	}
	tried[dir] = true
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
