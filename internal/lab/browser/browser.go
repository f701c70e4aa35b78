// Package browser has tests look at pages in a real browser, as people do: Debian's Chromium,
// without a window.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

const (
	// patience is how long something may take to show.
	patience = 60 * time.Second
	// glance is how often is looked whether it does.
	glance = 50 * time.Millisecond
)

// Browser is a running browser.
type Browser struct{ ctx context.Context }

// Start starts a browser for the duration of a test.
func Start(t testing.TB) *Browser {
	t.Helper()
	ctx, end, err := Launch(t.TempDir())
	labtest.Made(t, "a browser", err)
	t.Cleanup(end)
	return &Browser{ctx}
}

// Launch starts a browser with its files in a directory, for actions within its context.
func Launch(dir string) (_ context.Context, end func(), err error) {
	program, err := find()
	if err != nil {
		return nil, nil, err
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, // root has none
		chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(patience))...)
	ctx, _ := chromedp.NewContext(allocator)
	end = func() {
		_ = chromedp.Cancel(ctx)
		stop()
	}
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return ctx, end, nil
}

func find() (string, error) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return "", &lab.MissingError{What: "chromium", Why: "not found in PATH: run `make setup`"}
	}
	return program, nil
}

// View is how a page is looked at.
type View struct {
	Width int
	Dark  bool
}

// The widths at which pages are looked at.
const (
	Desktop = 1180
	Phone   = 390
)

// String says what the view is.
func (v View) String() string {
	if v.Dark {
		return fmt.Sprintf("dark, %d wide", v.Width)
	}
	return fmt.Sprintf("light, %d wide", v.Width)
}

// Tab is a page in the browser.
type Tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex // guards what follows
	errors   []string
	requests []string
}

// Open opens an address for the duration of a test.
func (b *Browser) Open(t testing.TB, address string, v View) *Tab {
	t.Helper()
	tab := &Tab{t: t}
	var end context.CancelFunc
	tab.ctx, end = chromedp.NewContext(b.ctx, chromedp.WithListener(tab.hear))
	t.Cleanup(end)
	tab.do()
	tell(tab, network.Enable, network.EnableParams{})
	tell(tab, log.Enable, cdp.Empty{})
	tab.Look(v)
	tab.do(chromedp.Navigate(address))
	return tab
}

// hear notes what a page asks for, and what it complains of.
func (tab *Tab) hear(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			tab.requests = append(tab.requests, e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		tab.errors = append(tab.errors, e.ExceptionDetails.Text+" "+string(e.ExceptionDetails.Exception.Description))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			tab.errors = append(tab.errors, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			tab.errors = append(tab.errors, fmt.Sprintf("console: %v", e.Args))
		}
	}
}

// Requests are the addresses that were asked for so far, that of the page itself included.
func (tab *Tab) Requests() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.requests...)
}

// Quiet fails the test where the page has complained of something.
func (tab *Tab) Quiet() {
	tab.t.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, e := range tab.errors {
		tab.t.Errorf("the browser's console has: %s", e)
	}
}

func (tab *Tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	if len(actions) == 0 { // a first call may have no timeout: it would be the tab's
		if err := chromedp.Do(tab.ctx); err != nil {
			tab.t.Fatal(err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tab.t.Fatal(err)
	}
}

// tell gives the browser a command.
func tell[P, R any](tab *Tab, command cdp.Command[P, R], params P) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		tab.t.Fatal(err)
	}
}

// result is what an action returns.
func result[T any](tab *Tab, action chromedp.Action[T]) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		tab.t.Fatal(err)
	}
	return v
}

// Look looks at the page in a way.
func (tab *Tab) Look(v View) {
	tab.t.Helper()
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	tell(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: int64(v.Width), Height: 900, DeviceScaleFactor: 1, Mobile: v.Width == Phone})
	tell(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// Value is what an expression has, which may be a promise.
func Value[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	return result(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Wait waits until an expression is true.
func (tab *Tab) Wait(expression string) {
	tab.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(glance) {
		if Value[bool](tab, "!!("+expression+")") {
			return
		}
	}
	tab.t.Fatalf("%s does not come true; the page says:\n%s", expression, Value[string](tab, "document.body.innerText"))
}

// Says waits until the page, or what a selector chooses of it, has a text.
func (tab *Tab) Says(selector, text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf("[...document.querySelectorAll(%s)].some(e => e.innerText.includes(%s))", quoted(selector), quoted(text)))
}

// Click clicks on the first element that a selector chooses.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	tab.do(chromedp.Click(chromedp.CSS(selector)))
}

// Type types into the element that a selector chooses.
func (tab *Tab) Type(selector, text string) {
	tab.t.Helper()
	tab.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Picture writes a picture of the whole page, for who wants to see what a test sees.
func (tab *Tab) Picture(path string) {
	tab.t.Helper()
	if err := os.WriteFile(path, result(tab, chromedp.FullScreenshot(100)), 0o644); err != nil {
		tab.t.Fatal(err)
	}
}

// violation is what axe has found.
type violation struct {
	ID, Help string
	Nodes    []struct {
		Target []any
		Any    []struct{ Message string }
	}
}

// Accessible fails the test where axe finds that the page keeps somebody out.
func (tab *Tab) Accessible(what string) {
	tab.t.Helper()
	script, err := axe()
	labtest.Made(tab.t, "axe", err)
	tab.do(chromedp.Evaluate[chromedp.Void](script))
	found := Value[[]violation](tab, "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
	for _, v := range found {
		for _, n := range v.Nodes[:min(len(v.Nodes), 5)] {
			message := ""
			if len(n.Any) > 0 {
				message = n.Any[0].Message
			}
			tab.t.Errorf("%s: axe finds %s (%s) at %v, and %d more: %s", what, v.ID, v.Help, n.Target, len(v.Nodes)-1, message)
		}
	}
}

func axe() (string, error) {
	root, err := lab.RepoRoot()
	if err != nil {
		return "", err
	}
	script, err := os.ReadFile(filepath.Join(root, ".tools", "axe.min.js"))
	if errors.Is(err, os.ErrNotExist) {
		return "", &lab.MissingError{What: "axe-core", Why: "not found in .tools: run `make setup`"}
	}
	return string(script), err
}

func quoted(s string) string {
	text, _ := json.Marshal(s) // a string always can be
	return string(text)
}
