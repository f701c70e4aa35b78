package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os/exec"
	"syscall"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"github.com/stoker-build/stoker/internal/lab/picture"
)

const (
	// quiet is how long a terminal gets nothing when a program has drawn what it wanted to.
	quiet = 15 * time.Millisecond
	// longest is how long a command may take.
	longest = 10 * time.Minute
)

// terminal is a screen that programs write to, and what was on it so far.
type terminal struct {
	columns, rows int
	emulator      *vt.Emulator
	began         time.Time
	frames        []picture.Frame
}

func newTerminal(columns, rows int) *terminal {
	t := &terminal{columns: columns, rows: rows, emulator: vt.NewEmulator(columns, rows), began: time.Now()}
	// What programs ask a terminal is answered to nobody; the emulator would wait for a reader.
	go func() { _, _ = io.Copy(io.Discard, t.emulator) }()
	return t
}

// close ends the reading of answers. The emulator's own end may not be told to it while somebody reads.
func (t *terminal) close() error {
	if answers, ok := t.emulator.InputPipe().(io.Closer); ok {
		return answers.Close()
	}
	return t.emulator.Close()
}

// run lets a program have the terminal until it ends, below a prompt with its command line. That a program fails is no
// error.
func (t *terminal) run(ctx context.Context, cmd *exec.Cmd, line string) error {
	prompt := ansi.SGR(ansi.AttrFaint) + "$" + ansi.SGR(ansi.AttrReset) + " "
	if _, err := t.emulator.WriteString(prompt + line + "\r\n"); err != nil {
		return err
	}
	t.look()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(t.rows), Cols: uint16(t.columns)})
	if err != nil {
		return err
	}
	defer master.Close()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if err := t.show(output(master)); err != nil {
		return err
	}
	err = cmd.Wait()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.Exited() {
		err = nil
	}
	return errors.Join(err, ctx.Err())
}

// output is what a program writes. Its end is an error of the terminal, which is of no interest.
func output(master io.Reader) <-chan []byte {
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			buffer := make([]byte, 1<<15)
			n, err := master.Read(buffer)
			if n > 0 {
				chunks <- buffer[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks
}

// show writes to the screen and looks at it whenever it is quiet.
func (t *terminal) show(chunks <-chan []byte) error {
	for {
		select {
		case <-time.After(quiet):
			t.look()
		case chunk, more := <-chunks:
			if !more {
				t.look()
				return nil
			}
			if _, err := t.emulator.Write(chunk); err != nil {
				return fmt.Errorf("show what the program wrote: %w", err)
			}
		}
	}
}

// look notes what is on the screen, if that is new.
func (t *terminal) look() {
	s := t.screen()
	if n := len(t.frames); n > 0 && t.frames[n-1].Screen.Equal(s) {
		return
	}
	t.frames = append(t.frames, picture.Frame{At: time.Since(t.began), Screen: s})
}

func (t *terminal) last() picture.Screen { return t.frames[len(t.frames)-1].Screen }

func (t *terminal) screen() picture.Screen {
	s := make(picture.Screen, t.rows)
	for y := range s {
		s[y] = make([]picture.Cell, t.columns)
		for x := range s[y] {
			c := t.emulator.CellAt(x, y)
			s[y][x] = picture.Cell{Text: c.Content, Width: c.Width, Style: picture.Style{
				Foreground: colourOf(c.Style.Fg), Background: colourOf(c.Style.Bg),
				Bold: c.Style.Attrs&uv.AttrBold != 0, Faint: c.Style.Attrs&uv.AttrFaint != 0, Italic: c.Style.Attrs&uv.AttrItalic != 0,
				Underline: c.Style.Underline != ansi.UnderlineNone,
			}}
		}
	}
	return s
}

func colourOf(c color.Color) picture.Colour {
	switch c := c.(type) {
	case nil:
		return ""
	case ansi.BasicColor:
		return picture.Named(int(c))
	}
	r, g, b, _ := c.RGBA()
	return picture.RGB(uint8(r>>8), uint8(g>>8), uint8(b>>8))
}
