package bake

import (
	"context"
	"strings"
	"testing"

	buildx "github.com/docker/buildx/bake"
)

// What an address gives that is neither a bake file nor an archive is told in one problem.
func TestNoArchive(t *testing.T) {
	const url = "https://r.example/files.zip"
	for _, data := range []string{"PK\x03\x04\x14\x00\x00", "target \xff\xfe"} {
		fetch := func(context.Context, string, []string) ([]buildx.File, *buildx.Input, error) {
			return []buildx.File{{Name: url, Data: []byte(data)}}, &buildx.Input{URL: url}, nil
		}
		_, err := resolve(t, Question{Targets: []string{url}, Fetch: fetch})
		if err == nil || !strings.HasPrefix(err.Error(), url+": it is neither a bake file nor an archive that can be read") || strings.Contains(err.Error(), "problems") {
			t.Errorf("of %q: %v", data, err)
		}
	}
}
