package cli

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// What only one job needs is gone once it is built, wherever it comes from: jobs
// that each send or fetch much of their own all fit on a disk that holds a few.
func TestSourcesOfTheirOwn(t *testing.T) {
	t.Parallel()
	const jobs, bytes = 12, 10 * mb
	random := func(t *testing.T) []byte {
		data := make([]byte, bytes)
		if _, err := rand.Read(data); err != nil {
			t.Fatal(err)
		}
		return data
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("ETag", `"`+r.URL.Path+`"`)
		if r.Method == http.MethodGet {
			_, _ = rw.Write(random(t))
		}
	}))
	t.Cleanup(server.Close)
	tests := []struct {
		name string
		// prepare readies one job, and returns what its Dockerfile does.
		prepare func(t *testing.T, w *workbench, n int) (line string)
		flags   func(w *workbench) []string
	}{
		{"directory", func(t *testing.T, w *workbench, n int) string {
			if err := os.WriteFile(w.path(fmt.Sprintf("tasks/%d/large", n)), random(t), 0o644); err != nil {
				t.Fatal(err)
			}
			return "COPY large /large"
		}, nil},
		{"address", func(_ *testing.T, _ *workbench, n int) string {
			return fmt.Sprintf("ADD %s/%d /large", server.URL, n)
		}, nil},
		{"image by name", func(t *testing.T, w *workbench, n int) string {
			labtest.Image(t, w.registry, lab.Image{Name: fmt.Sprint("ghcr.io/lab/tool:", n), OSBytes: 1000, LayerBytes: []int64{bytes}, Seed: uint64(n)})
			return "COPY --from=tool /layers/1.txt /tool"
		}, func(w *workbench) []string {
			return []string{"--build-context", "tool=docker-image://" + w.registry.Host() + "/lab/tool:{{.n}}"}
		}},
		{"secret", func(_ *testing.T, _ *workbench, n int) string {
			return fmt.Sprintf("RUN --mount=type=secret,id=token --mount=type=tmpfs,target=/tmp head -c %d /dev/urandom > /large-%d", bytes, n)
		}, func(w *workbench) []string {
			return []string{"--secret", "id=token,src=" + w.write("token", "12345678901234567890")}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := newSmallDisk(t, 160*mb, modest(1, 1), 0)
			var rows []string
			for n := range jobs {
				rows = append(rows, fmt.Sprintf(`{"id":"job-%d","n":%d}`, n, n))
				path := fmt.Sprintf("tasks/%d/Dockerfile", n)
				w.write(path, "")
				w.write(path, fmt.Sprintf("FROM %s\nRUN echo %d\n%s\n", w.bases[0].Ref, n, tt.prepare(t, w, n)))
			}
			flags := []string{"--workers", "2", "--retries", "0", "--job-size", "30MB", "-t", w.registry.Host() + "/built:{{.id}}"}
			if tt.flags != nil {
				flags = append(flags, tt.flags(w)...)
			}
			code, out := w.rows(rows, append(flags, w.path("tasks/{{.n}}"))...)
			w.checkAllBuilt(code, out, jobs)
			if s := w.summary(); s.Prune.LiveRemovedRecords > 0 || s.Prune.ReclaimedBytes < jobs*bytes/2 {
				t.Errorf("prune %+v\n%s", s.Prune, out)
			}
			if full := events[journal.DiskFull](w, "disk_full"); len(full) > 2 { // sizes are not known at first
				t.Errorf("the disk was full %d times\n%s", len(full), out)
			}
		})
	}
}
