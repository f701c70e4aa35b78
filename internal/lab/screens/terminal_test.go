package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/lab/picture"
)

func TestMain(m *testing.M) { labtest.Main(m) }

func terminalFor(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	screen := newTerminal(columns, rows)
	t.Cleanup(func() {
		if err := screen.close(); err != nil {
			t.Error(err)
		}
	})
	return screen
}

// A program that draws as the live view does: in colours, moving up to draw over what was there.
func TestTerminalShowsWhatAProgramDraws(t *testing.T) {
	screen := terminalFor(t, 20, 6)
	script := `stty size; printf '\033[32m██\033[0m one\r\n'; sleep 0.2; printf '\033[A\033[38;2;1;2;3mtwo\033[0m\033[K\033[6n\r\n'; exit 3`
	if err := screen.run(t.Context(), exec.Command("/bin/sh", "-c", script), "draw it"); err != nil {
		t.Fatal(err)
	}
	if got, want := screen.last().Text(), "$ draw it\n6 20\ntwo"; got != want {
		t.Errorf("at the end\n%s\nwant\n%s", got, want)
	}
	if got := screen.last()[2][0].Style.Foreground; got != picture.RGB(1, 2, 3) {
		t.Errorf("the colour is %q", got)
	}
	var before picture.Screen
	for _, f := range screen.frames {
		if strings.Contains(f.Screen.Text(), "██ one") {
			before = f.Screen
		}
	}
	if before == nil {
		t.Fatalf("what was drawn over is in none of %d frames", len(screen.frames))
	}
	if got := before[2][0].Style.Foreground; got != picture.Named(2) {
		t.Errorf("the bar's colour is %q", got)
	}
	if !screen.frames[0].Screen[0][0].Style.Faint {
		t.Error("the prompt is not faint")
	}
}

func TestTerminalEndsWithItsContext(t *testing.T) {
	screen := terminalFor(t, 20, 6)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := screen.run(ctx, exec.Command("/bin/sh", "-c", "exec sleep 600"), "sleep"); err == nil {
		t.Error("no error")
	}
	if err := terminalFor(t, 20, 6).run(t.Context(), exec.Command("/no/such/program"), "none"); err == nil {
		t.Error("a program that cannot be started is no error")
	}
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]int{"": -1, "██░░  5/60   8%": 8, "60/60 100%": 100, "5/60": -1} {
		var row []picture.Cell
		for _, r := range text {
			row = append(row, picture.Cell{Text: string(r), Width: 1})
		}
		if got := percent(picture.Screen{row}); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// The middle is the fullest of the screens about half way.
func TestMiddle(t *testing.T) {
	screen := terminalFor(t, 30, 4)
	for _, text := range []string{"1/10 10% a long beginning", "5/10 50% half", "5/10 50% fuller half", "9/10 90% a long end"} {
		if _, err := screen.emulator.WriteString("\r\x1b[K" + text); err != nil {
			t.Fatal(err)
		}
		screen.look()
	}
	if got := string(middle("m", "t").draw(screen)); !strings.Contains(got, "fuller half") {
		t.Errorf("got %s", got)
	}
}

// The names of pictures are those of files, so no two may be the same.
func TestShotsHaveTheirOwnNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenes {
		for _, take := range s.takes {
			for _, shot := range take.shots {
				if seen[shot.name] {
					t.Errorf("two are named %s", shot.name)
				}
				seen[shot.name] = true
			}
		}
	}
}
