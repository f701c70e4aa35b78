package examine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/paths"
	"github.com/stoker-build/stoker/internal/plan"
)

// local looks at what is on this machine.
func (e *examination) local() {
	for _, f := range unwritable(e.Writes) {
		e.add(f)
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

// unwritable finds what cannot be written. Destinations of one flag that fail for one
// reason are one fault.
func unwritable(writes []plan.Written) (found []check.Finding) {
	type sort struct{ flag, why string }
	var order []sort
	alike := map[sort][]plan.Written{}
	tried := map[string]error{}
	for _, w := range writes {
		if paths.InPlace(w.Path) {
			continue
		}
		if err := writable(w.Path, tried); err != nil {
			s := sort{w.Flag, err.Error()}
			if alike[s] == nil {
				order = append(order, s)
			}
			alike[s] = append(alike[s], w)
		}
	}
	for _, s := range order {
		all := alike[s]
		f := check.Finding{Severity: check.Fault, Kind: check.Output, Text: fmt.Sprintf("%s: %q cannot be written: %s", s.flag, all[0].Path, s.why)}
		if len(all) > 1 {
			f.Text = fmt.Sprintf("%s: %d destinations cannot be written, such as %q: %s", s.flag, len(all), all[0].Path, s.why)
		}
		for _, w := range all {
			if w.Job != "" {
				f.Jobs = append(f.Jobs, w.Job)
			}
		}
		found = append(found, f)
	}
	return found
}

// writable makes sure that a file or directory can be written, or made: in the nearest
// directory that exists a file is made and taken away. Each is tried once.
func writable(path string, tried map[string]error) error {
	dir := path
	for {
		info, err := os.Stat(dir)
		if err == nil && (info.IsDir() || dir != path) {
			break
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return reason(err)
		}
		dir = filepath.Dir(dir)
	}
	err, known := tried[dir]
	if !known {
		err = makeIn(dir)
		tried[dir] = err
	}
	return err
}

// makeIn makes a file in a directory, and takes it away.
func makeIn(dir string) error {
	f, err := os.CreateTemp(dir, ".stoker-try-")
	if err != nil {
		return fmt.Errorf("nothing can be made in %q: %w", dir, reason(err))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// reason is an error without the path that it is about, which is of no use to people.
func reason(err error) error {
	if at := new(fs.PathError); errors.As(err, &at) {
		return at.Err
	}
	return err
}
