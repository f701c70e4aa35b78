package cli

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab/browser"
)

// heard is what a command has said so far.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

// address waits for the address of a page.
func (h *heard) address(t *testing.T) string {
	t.Helper()
	for range 600 {
		h.mu.Lock()
		found := regexp.MustCompile(`http://\S+`).FindString(h.text.String())
		h.mu.Unlock()
		if found != "" {
			return found
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no page is served:\n%s", &h.text)
	return ""
}

// The page of a run, and that of stoker status beside it, follow it to its end.
func TestPagesOfARun(t *testing.T) {
	w := newWorkbench(t, small(1, 2))
	// The job's step goes on until the pages have been seen to show it.
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN sleep 8\nRUN cat /testbed/*.txt | grep -q no-such-text-$(cat /testbed/*.txt | wc -c)\n")
	said, status := &heard{}, &heard{}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		Main(t.Context(), "test", []string{"build", "--images", w.path("bases.txt"), "-t", w.registry.Host() + "/agent/{{.Name}}:1", "--push", "--progress", "plain",
			"--output-dir", w.path("out"), "--state-dir", w.path("state"), "--builder", w.daemon.Addr(), "--workers", "1", "--listen", "127.0.0.1:0", w.path("ctx")},
			Streams{In: strings.NewReader(""), Out: said, Err: said})
	})
	b := browser.Start(t)
	own := b.Open(t, said.address(t), browser.View{Width: browser.Desktop})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	running.Go(func() {
		Main(ctx, "test", []string{"status", "--listen", "127.0.0.1:0", w.path("out")}, Streams{In: strings.NewReader(""), Out: status, Err: status})
	})
	other := b.Open(t, status.address(t), browser.View{Width: browser.Desktop})
	own.Says("#now", "RUN sleep 8")
	other.Says("#now", "RUN sleep 8")
	for _, tab := range []*browser.Tab{own, other} {
		tab.Says("#failures", "exit code: 1")
		tab.Says("#failures .count", "2")
		tab.Says("h1", "0 of 2 images are there")
		tab.Says("#link", "the run has ended")
		tab.Quiet()
	}
}

func TestStatusServesOrPrints(t *testing.T) {
	dir := t.TempDir()
	recordRun(t, dir, 1, 1, nil)
	for want, args := range map[string][]string{
		"--listen serves a page, and --format prints": {"--listen", "127.0.0.1:0", "--format", "json", dir},
		"give an address such as 127.0.0.1:8080":      {"--listen", "8080", dir},
		"name the --output-dir of one":                {"--listen", "127.0.0.1:0", t.TempDir()},
	} {
		if code, output := runStoker(t.Context(), append([]string{"status"}, args...)...); code != 2 || !strings.Contains(output, want) {
			t.Errorf("%v: %d, %s", args, code, output)
		}
	}
}
