package cli

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// What only one job needs is gone once it is built, wherever it comes from: jobs that each
// send or fetch much of their own all fit on a disk that does not hold those of one source.
func TestSourcesOfTheirOwn(t *testing.T) {
	t.Parallel()
	const jobs, bytes = 24, 10 * mb
	random := func() []byte {
		data := make([]byte, bytes)
		_, _ = rand.Read(data)
		return data
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("ETag", `"`+r.URL.Path+`"`)
		if r.Method == http.MethodGet {
			_, _ = rw.Write(random())
		}
	}))
	t.Cleanup(server.Close)
	w, _ := newSmallDisk(t, 160*mb, modest(1, 1), 0)
	// Each readies a job, and returns what its Dockerfile does.
	sources := []func(n int) (line string){
		func(n int) string {
			w.write(fmt.Sprintf("tasks/%d/large", n), string(random()))
			return "COPY large /large"
		},
		func(n int) string { return fmt.Sprintf("ADD %s/%d /large", server.URL, n) },
		func(n int) string {
			labtest.Image(t, w.registry, lab.Image{Name: fmt.Sprint("ghcr.io/lab/tool:", n), OSBytes: 1000, LayerBytes: []int64{bytes}, Seed: uint64(n)})
			return "COPY --from=tool /layers/1.txt /tool"
		},
		func(n int) string {
			return fmt.Sprintf("RUN --mount=type=secret,id=token --mount=type=tmpfs,target=/tmp head -c %d /dev/urandom > /large-%d", bytes, n)
		},
	}
	var rows []string
	for n := range jobs {
		rows = append(rows, fmt.Sprintf(`{"id":"job-%d","n":%d}`, n, n))
		line := sources[n%len(sources)](n)
		w.write(fmt.Sprintf("tasks/%d/Dockerfile", n), fmt.Sprintf("FROM %s\nRUN echo %d\n%s\n", w.bases[0].Ref, n, line))
	}
	code, out := w.rows(rows, "--workers", "2", "--retries", "0", "--job-size", "30MB", "-t", w.registry.Host()+"/built:{{.id}}",
		"--build-context", "tool=docker-image://"+w.registry.Host()+"/lab/tool:{{.n}}", "--secret", "id=token,src="+w.write("token", "12345678901234567890"), w.path("tasks/{{.n}}"))
	w.checkAllBuilt(code, out, jobs)
	if s := w.summary(); s.Prune.LiveRemovedRecords > 0 || s.Prune.ReclaimedBytes < jobs*bytes/2 {
		t.Errorf("prune %+v\n%s", s.Prune, out)
	}
	if full := events[journal.DiskFull](w, "disk_full"); len(full) > 4 { // sizes are not known at first
		t.Errorf("the disk was full %d times\n%s", len(full), out)
	}
}
