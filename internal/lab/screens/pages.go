package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/stoker-build/stoker/internal/lab/browser"
)

// pages is a command of which the pages are shown: the one that follows it, and what it leaves.
type pages struct {
	line string
	live []look
	left []look
}

// look is a picture of a page.
type look struct {
	name          string // of the file, without its extension
	width, height int
	dark          bool
}

// The addresses at which pages are.
const (
	liveAddress = "127.0.0.1:8123"
	livePage    = "http://" + liveAddress + "/"
	// reportFile is the page that a run leaves, below the disk of its parts.
	reportFile = "work/stoker-out/report.html"
)

// Midway there is something to be seen: a job that has failed, one that waits for space, and
// some that run. Then the log of one of these is opened.
const (
	midway = `(() => {
  const text = document.getElementById("now").innerText;
  const [, done, all] = document.getElementById("answer").innerText.match(/(\d+) of (\d+)/) ?? [0, 0, 1];
  return done / all > 0.4 && text.includes("waits for space") && !!document.getElementById("reasons") && !!document.getElementById("lines");
})()`
	openLog = `document.querySelectorAll("button.log")[0].click()`
	hasLog  = `document.getElementById("log-text").innerText.split("\n").length > 8`
)

// record runs the command and makes the pictures.
func (p pages) record(ctx context.Context, on *parts, out string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	dir, err := os.MkdirTemp("", "screens-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tab, end, err := browser.Launch(dir)
	if err != nil {
		return err
	}
	defer end()
	cmd := on.command(p.line)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := p.follow(ctx, tab, ended, out); err != nil {
		return errors.Join(err, cmd.Process.Signal(os.Interrupt), <-ended)
	}
	if failed := (*exec.ExitError)(nil); !errors.As(<-ended, &failed) || failed.ExitCode() != 1 {
		return errors.New("no job has failed")
	}
	if err := chromedp.Do(tab, chromedp.Navigate("file://"+filepath.Join(on.disk.Path(), reportFile))); err != nil {
		return err
	}
	return shoot(tab, out, p.left)
}

// follow makes the pictures of the page that follows the command.
func (p pages) follow(ctx context.Context, tab context.Context, ended <-chan error, out string) error {
	await := func(expression string) error {
		for ctx.Err() == nil {
			if is, err := chromedp.Run(tab, chromedp.Evaluate[bool](expression)); err == nil && is {
				return nil
			}
			select {
			case err := <-ended:
				return fmt.Errorf("it ended before there was something to be seen: %w", err)
			case <-time.After(100 * time.Millisecond):
			}
		}
		return ctx.Err()
	}
	for chromedp.Do(tab, chromedp.Navigate(livePage)) != nil {
		if err := await("true"); err != nil {
			return err
		}
	}
	if err := await(midway); err != nil {
		return err
	}
	if err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](openLog)); err != nil {
		return err
	}
	if err := await(hasLog); err != nil {
		return err
	}
	return shoot(tab, out, p.live)
}

// shoot makes pictures of what a tab shows.
func shoot(tab context.Context, out string, looks []look) error {
	for _, l := range looks {
		scheme := "light"
		if l.dark {
			scheme = "dark"
		}
		size := emulation.SetDeviceMetricsOverrideParams{Width: int64(l.width), Height: int64(l.height), DeviceScaleFactor: 1, Mobile: l.width == browser.Phone}
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if err := errors.Join(tell(tab, emulation.SetDeviceMetricsOverride, size), tell(tab, emulation.SetEmulatedMedia, media),
			chromedp.Do(tab, chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)"))); err != nil {
			return err
		}
		drawing, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, l.name+".png"), drawing, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tell gives the browser a command.
func tell[P, R any](tab context.Context, command cdp.Command[P, R], params P) error {
	_, err := chromedp.Call(tab, command, params)
	return err
}
