package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stoker-build/stoker/internal/scratch"
)

// stateDir is where Stoker keeps what outlives a run.
func stateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "stoker")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "stoker")
	}
	return "/var/lib/stoker"
}

// openState makes sure that the state directory can be written. Where the default
// one cannot, a builder that was named can do without: then what is kept there
// ends with the command, which a warning says.
func (o *builderOptions) openState(warn io.Writer) (done func(), err error) {
	// A socket's address has no place for a relative path.
	if o.stateDir, err = filepath.Abs(o.stateDir); err != nil {
		return nil, err
	}
	err = tryState(o.stateDir)
	if err == nil {
		return func() {}, nil
	}
	named := len(o.names) > 0 || os.Getenv("BUILDX_BUILDER") != "" || os.Getenv("BUILDKIT_HOST") != ""
	if !named || o.stateDir != stateDir() {
		return nil, fmt.Errorf("the state directory cannot be written: %w; name another with --state-dir", err)
	}
	temporary, tempErr := scratch.New("state")
	if tempErr != nil {
		return nil, errors.Join(err, tempErr)
	}
	fmt.Fprintf(warn, "warning: the state directory cannot be written, so that later runs will not know what this one learned (%s); name another with --state-dir\n", err)
	o.stateDir = temporary.Path
	return func() { _ = temporary.Close() }, nil
}

// stateParts are the directories in it without which jobs fail, or a builder is not
// mended.
var stateParts = []string{"buildx", "recovery"}

// tryState makes sure that a state directory can be written, and what is in it already.
func tryState(dir string) error {
	if err := tryToWrite(dir); err != nil {
		return err
	}
	for _, part := range stateParts {
		path := filepath.Join(dir, part)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := tryToWrite(path); err != nil {
			return err
		}
	}
	return nil
}

func tryToWrite(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".try-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
