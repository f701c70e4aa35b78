// Package show is what people see: of a run a live view on a terminal, lines in a
// log, JSON for programs, and the closing summary; of a cache and of plans tables. It
// knows a run from its journal alone, and nothing that a build writes can disturb its
// output.
package show

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Mode names a way to show a run.
type Mode string

// The modes, as the --progress flag names them.
const (
	// ModeAuto is ModeTTY on a terminal that a person watches, else ModePlain.
	ModeAuto Mode = "auto"
	// ModeTTY is one view that is redrawn in place.
	ModeTTY Mode = "tty"
	// ModePlain is a line for each event that matters, and a sign of life
	// every minute.
	ModePlain Mode = "plain"
	// ModeJSON is every event as a line of JSON.
	ModeJSON Mode = "json"
	// ModeQuiet is a line for each job that failed and for a run that did not
	// end well, and the references of the images as results.
	ModeQuiet Mode = "quiet"
)

// Modes lists every mode, in the order in which help texts name them.
func Modes() []Mode {
	return []Mode{ModeAuto, ModeTTY, ModePlain, ModeJSON, ModeQuiet}
}

// ParseMode reads the name of a mode.
func ParseMode(name string) (Mode, error) {
	if m := Mode(name); slices.Contains(Modes(), m) {
		return m, nil
	}
	names := make([]string, 0, len(Modes()))
	for _, m := range Modes() {
		names = append(names, string(m))
	}
	return "", fmt.Errorf("unknown progress mode %q: use one of %s", name, strings.Join(names, ", "))
}

// View shows one run.
type View interface {
	// Observe tells the view what happened. It must be called by one goroutine at a
	// time, and waits for whoever reads what the view writes.
	Observe(at time.Time, e journal.Event)

	// Close shows what is still to be shown, gives the terminal back and
	// returns the first error of writing. It may be called more than once; a
	// program that leaves early must call it too, or the terminal's cursor
	// stays hidden.
	Close() error
}

const (
	// How many events may wait for a view: those of minutes, and some MB at most.
	viewQueue = 20_000
	// Patience is how long a reader that takes nothing is waited for at the end.
	Patience = 5 * time.Second
	// terminalPatience is how long a terminal is: somebody may have stopped it to read, by
	// Ctrl-S, and would find no end.
	terminalPatience = 30 * time.Second
)

// Attached is a view that is told what a journal tells. The run never waits for it.
type Attached struct {
	view     View
	told     *journal.Subscription
	patience time.Duration
}

// Attach has a view told what happens from now on.
func Attach(j *journal.Journal, v View) *Attached {
	a := &Attached{view: v, told: j.Subscribe(viewQueue, v.Observe), patience: Patience}
	if _, is := v.(*tty); is {
		a.patience = terminalPatience
	}
	return a
}

// Close shows what is still to be shown and closes the view. Of a reader that takes
// nothing any more it lets go: then the view stays as it is, and there is no error,
// since there is nobody to tell.
func (a *Attached) Close() error {
	if a.told.Close(a.patience) != nil {
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- a.view.Close() }()
	select {
	case err := <-closed:
		if errors.Is(err, syscall.EPIPE) {
			return nil // the reader has gone, as with "| head"
		}
		return err
	case <-time.After(a.patience):
		return nil
	}
}

// Options adjust a view. The zero value is what a program needs; the fields
// exist to put a test in charge of time and environment.
type Options struct {
	// Getenv reads the environment; os.Getenv when nil.
	Getenv func(string) string
	// Now is the live view's clock; time.Now when nil.
	Now func() time.Time
	// Ticker makes the plain view's heartbeat: a channel of times, and how to
	// end it. A time.Ticker when nil.
	Ticker func(every time.Duration) (ticks <-chan time.Time, stop func())
	// Results is where ModeQuiet lists the images; nowhere when nil.
	Results io.Writer
	// Pushed has the names of the jobs whose images go to a registry: ModeQuiet
	// lists no others.
	Pushed map[string]bool
	// Kept are finished jobs of an earlier run, whose images are results too.
	Kept []ledger.Entry
	// Jobs are those of the run, with what is known of them; none where nothing is.
	Jobs []Expected
	// Keys is the terminal from which a person's keys are taken, for the live view; nil for
	// none. It is read only while this program is in its foreground.
	Keys *os.File
}

// New makes the view of a mode that writes to out.
func New(mode Mode, out io.Writer, opts Options) (View, error) {
	opts = opts.withDefaults()
	terminal := IsTerminal(out)
	color := terminal && InColor(opts.Getenv)
	switch resolve(mode, terminal, opts.Getenv) {
	case ModeTTY:
		if !terminal {
			return nil, fmt.Errorf("progress mode %q needs a terminal; use %q", ModeTTY, ModePlain)
		}
		return newTTY(out, color, opts), nil
	case ModePlain:
		return newPlain(out, Width(out), color, opts), nil
	case ModeJSON:
		return &jsonLines{lines{out: out}}, nil
	case ModeQuiet:
		return newQuiet(out, opts), nil
	}
	_, err := ParseMode(string(mode))
	return nil, err
}

// InColor tells whether a terminal shows colours, and is to.
func InColor(getenv func(string) string) bool {
	term := getenv("TERM")
	return term != "" && term != "dumb" && getenv("NO_COLOR") == ""
}

// resolve turns ModeAuto into a mode that suits the output. A CI system's
// output may look like a terminal, but it keeps every redrawn frame.
func resolve(mode Mode, terminal bool, getenv func(string) string) Mode {
	if mode != ModeAuto {
		return mode
	}
	if terminal && getenv("TERM") != "dumb" && getenv("CI") == "" {
		return ModeTTY
	}
	return ModePlain
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Results == nil {
		o.Results = io.Discard
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ticker == nil {
		o.Ticker = func(every time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(every)
			return t.C, t.Stop
		}
	}
	return o
}

// IsTerminal tells whether a person is at the other end of an input or output.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width is that of a terminal, and 0 for an output without one.
func Width(out io.Writer) int {
	width, _ := sizeOf(out)
	return width
}

// sizeOf is the size of a terminal, or zeros for an output without one.
func sizeOf(out io.Writer) (width, height int) {
	f, ok := out.(*os.File)
	if !ok {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// lines writes lines and remembers the first error: Observe cannot return one,
// so Close does.
type lines struct {
	out io.Writer
	err error
}

func (l *lines) write(line string) {
	if l.err == nil {
		_, l.err = io.WriteString(l.out, line+"\n")
	}
}

// Close implements View.
func (l *lines) Close() error { return l.err }
