package builder_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/plan"
)

// Where the registry of a docker frontend does not answer, the one in this process
// tells in its stead, and soon; of another's it is not known what it would do.
func TestFrontendOutOfReach(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	w := newWorldBehind(t, labtest.Registry(t), silent.Addr().String())
	var jobs []*plan.Job
	for i := range 20 {
		jobs = append(jobs, w.job(t, fmt.Sprint("docker-", i), "# syntax=docker/dockerfile:1.7\n"+dockerfiles["plain"]))
	}
	without := w.job(t, "none", dockerfiles["plain"])
	asked := w.ask(t, append(jobs, without)...)
	for _, job := range jobs {
		if len(asked[job.Name].Vertices) != len(asked["none"].Vertices) {
			t.Errorf("%s has the graph\n%s\nwithout a syntax line it is\n%s", job.Name, describe(asked[job.Name]), describe(asked["none"]))
		}
	}
	other := w.job(t, "other", "# syntax=somebody/else:1\n"+dockerfiles["plain"])
	err = w.b.Graphs(t.Context(), []*plan.Job{other}, func(_ *plan.Job, g graph.Graph, err error) {
		if err == nil || strings.Contains(err.Error(), "did not tell within") || len(g.Vertices) > 0 {
			t.Errorf("error %v, graph\n%s", err, describe(g))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
