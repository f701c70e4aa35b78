package builder

import (
	"errors"
	"testing"
)

// A bake file that is not there is told apart from a repository that could not be read.
func TestIsNotThere(t *testing.T) {
	for message, want := range map[string]bool{
		"lstat /docker-bake.hcl: no such file or directory":                                     true,
		"failed to load cache key: repository does not contain ref nobranch, output: \"\"":      false,
		"failed to load cache key: failed to fetch remote https://r.example/a.git: exit code 1": false,
	} {
		if got := isNotThere(errors.New(message)); got != want {
			t.Errorf("%s: %t, want %t", message, got, want)
		}
	}
}
