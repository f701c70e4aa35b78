package registry

import (
	"slices"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestNames(t *testing.T) {
	r := labtest.Registry(t)
	for _, name := range []string{"example/tool:1", "example/tool:2", "example/other:1"} {
		labtest.Image(t, r, lab.Image{Name: name})
	}
	c := newClient(t, Options{})
	tags, err := c.Tags(t.Context(), r.Host()+"/example/tool:3")
	if err != nil || !slices.Equal(tags, []string{"1", "2"}) {
		t.Errorf("tags %v, %v", tags, err)
	}
	if tags, err := c.Tags(t.Context(), r.Host()+"/no/such:1"); err != nil || len(tags) != 0 {
		t.Errorf("tags of a repository that is not there: %v, %v", tags, err)
	}
	repositories, err := c.Repositories(t.Context(), r.Host()+"/no/such:1")
	if err != nil || !slices.Equal(repositories, []string{"example/other", "example/tool"}) {
		t.Errorf("repositories %v, %v", repositories, err)
	}
	if repositories, err := c.Repositories(t.Context(), "no/such:1"); err != nil || repositories != nil {
		t.Errorf("Docker Hub was asked: %v, %v", repositories, err)
	}
}
