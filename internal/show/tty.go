package show

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// frameEvery is how often the live view takes in what has happened.
	frameEvery = 200 * time.Millisecond
	// framesPerSecond is how often the terminal is brought up to date.
	framesPerSecond = 10
)

// tty is the view of ModeTTY.
type tty struct {
	out   io.Writer
	feed  *feed
	ended chan struct{}

	press   func(key string)
	suspend chan struct{} // asks to be stopped
	keys    *keys         // nil where none are taken

	// Written before ended is closed.
	last model
	err  error

	closeOnce sync.Once
	closeErr  error
}

// newTTY starts the live view. Bubble Tea reads no input and handles no signal: it would
// take all modes of the terminal, and Ctrl-C with them, which shall reach the program as SIGINT.
// Keys are read by a reader of the view's own.
func newTTY(out io.Writer, color bool, opts Options, more ...tea.ProgramOption) *tty {
	t := &tty{out: out, feed: newFeed(opts.Now), ended: make(chan struct{}), suspend: make(chan struct{}, 1)}
	options := append([]tea.ProgramOption{
		tea.WithOutput(out), tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond),
	}, more...)
	first := newModel(t.feed, out, color)
	first.state.outlook = newOutlook(opts.Jobs)
	t.keys = takeKeys(opts.Keys)
	first.browser.keys = t.keys != nil
	program := tea.NewProgram(first, options...)
	t.press = func(key string) {
		if key != "ctrl+z" {
			program.Send(keyMsg(key))
			return
		}
		select {
		case t.suspend <- struct{}{}:
		default: // it has been asked for
		}
	}
	go t.run(program)
	if t.keys != nil {
		go t.keys.tell(t.press)
	}
	if terminal, is := out.(*os.File); is && IsTerminal(terminal) {
		go yieldTerminal(terminal, t, program)
	}
	return t
}

func (t *tty) run(program *tea.Program) {
	defer close(t.ended)
	defer t.keys.giveBack()
	last, err := program.Run()
	t.last, _ = last.(model)
	t.err = err
	t.feed.close()
}

// Observe implements View.
func (t *tty) Observe(at time.Time, e journal.Event) { t.feed.add(at, e) }

// Close implements View.
func (t *tty) Close() error {
	t.closeOnce.Do(func() {
		t.feed.close()
		<-t.ended
		_, err := io.WriteString(t.out, t.last.state.closing(t.last.width, t.last.color))
		t.closeErr = t.err
		if t.closeErr == nil {
			t.closeErr = err
		}
	})
	return t.closeErr
}

// newsMsg is what has happened between two frames. Nothing follows the last.
type newsMsg struct {
	now    time.Time
	events []observed
	last   bool
}

// endMsg ends the view; the terminal shows all that came before it.
type endMsg struct{}

// keyMsg is a key that was pressed.
type keyMsg string

// backMsg tells that the program was stopped unasked and goes on.
type backMsg struct{}

// logMsg is the log of an opened job.
type logMsg struct{ logTail }

// model is the live view as Bubble Tea drives it.
type model struct {
	palette
	feed          *feed
	state         State
	now           time.Time
	width, height int
	picture
	book    *jobBook // only Update may touch it
	browser browser
	log     logTail
	pause   pause
	ended   bool
}

// picture is what is drawn.
type picture struct {
	drawn   string
	tallest int // frame at this size of the terminal
}

// newModel asks for the terminal's size itself: Bubble Tea tells it too, but
// maybe only after the first news.
func newModel(f *feed, out io.Writer, color bool) model {
	m := model{palette: palette{color}, feed: f, book: &jobBook{}}
	m.width, m.height = sizeOf(out)
	if m.width <= 0 || m.height <= 0 {
		m.width, m.height = 80, 24
	}
	return m
}

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return m.feed.next }

// Update implements tea.Model.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height, m.tallest = msg.Width, msg.Height, 0
	case newsMsg:
		m, cmd = m.take(msg)
	case keyMsg:
		m, cmd = m.press(string(msg))
	case backMsg:
		cmd = tea.ClearScreen
	case awayMsg:
		m, cmd = m.leave(bool(msg))
	case drawnMsg:
		msg <- m.drawn
		return m, nil
	case logMsg:
		m.log = msg.logTail
	case endMsg:
		m.ended = true
		return m, tea.Quit
	default:
		return m, nil // nothing to draw
	}
	return m.draw(), cmd
}

// take folds news into the state. The commands run one after the other, and
// the next news are taken after them, so that lines keep their order.
func (m model) take(news newsMsg) (model, tea.Cmd) {
	m.now = news.now
	var cmds []tea.Cmd
	for _, o := range news.events {
		m.state.Apply(o.at, o.event)
		m.book.apply(o.at, o.event)
		cmds = append(cmds, m.permanent(o)...)
	}
	if m.pause.held = append(m.pause.held, cmds...); m.pause.away && !news.last {
		return m, tea.Sequence(m.after(news)...)
	}
	cmds, m.pause.held = m.pause.held, nil
	if read := m.readLog(); read != nil {
		cmds = append(cmds, read)
	}
	return m, tea.Sequence(append(cmds, m.after(news)...)...)
}

// press does what a key stands for.
func (m model) press(key string) (model, tea.Cmd) {
	was := m.browser.spot
	jobs := m.book.list(m.state.running, m.browser.filter)
	m.browser = m.browser.press(key, jobs, m.frame().page())
	if m.browser.typing || m.browser.filter == "" {
		jobs = m.book.list(m.state.running, m.browser.filter)
		m.browser.chosen = nameAt(jobs, m.browser.index(jobs))
	}
	if m.browser.spot == atRun && was != atRun {
		m.tallest = 0
	}
	if m.browser.spot == atJob {
		m.browser.above = min(m.browser.above, m.browsed().mostAbove())
		return m, m.readLog()
	}
	return m, nil
}

// readLog reads what an opened job's log has to tell by now; nil where none is open.
func (m model) readLog() tea.Cmd {
	if m.browser.spot != atJob {
		return nil
	}
	j, log := m.book.byName[m.browser.chosen], m.log
	if j == nil {
		return nil
	}
	path := j.log
	return func() tea.Msg { return logMsg{log.again(path)} }
}

// draw draws what is to be seen. It is done once for each frame and key: the renderer asks for
// it far more often.
func (m model) draw() model {
	m.drawn = ""
	if m.pause.away || m.state.started.IsZero() {
		return m
	}
	if m.browser.spot != atRun || m.browser.help {
		m.drawn = m.browsed().String()
		return m
	}
	m.drawn = m.frame().String()
	m.tallest = max(m.tallest, lipgloss.Height(m.drawn))
	return m
}

// after is what follows news: more of them, or the end. The end waits until the
// terminal has repaired a frame that an echoed Ctrl-C may have damaged.
func (m model) after(news newsMsg) []tea.Cmd {
	switch {
	case !news.last:
		return []tea.Cmd{m.feed.next}
	case m.pause.away || m.state.stopping == "":
		return []tea.Cmd{func() tea.Msg { return endMsg{} }}
	}
	return append(repair(), tea.Tick(frameEvery, func(time.Time) tea.Msg { return endMsg{} }))
}

// repair draws everything anew after the terminal has echoed a Ctrl-C, which
// wrote into the frame and moved the cursor from where the renderer left it.
func repair() []tea.Cmd { return []tea.Cmd{tea.Raw("\r"), tea.ClearScreen} }

// permanent is what an event leaves on the terminal above the view.
func (m model) permanent(o observed) []tea.Cmd {
	switch e := o.event.(type) {
	case journal.JobFinished:
		if e.Entry.Status == ledger.Failed {
			return m.failureLines(o.at, e.Entry)
		}
	case journal.Warning:
		if e.Note {
			return m.wrapped(clock(m.state.elapsed(o.at)) + " " + m.info("note") + " " + warningText(e))
		}
	case journal.Stopping:
		return repair()
	}
	return nil
}

// failureLines are why a job failed. They are wrapped here: what is printed above the view
// must take exactly the lines that the renderer makes room for. Of jobs that failed for the same
// cause only the first leaves lines; the view counts the others.
func (m model) failureLines(at time.Time, e ledger.Entry) []tea.Cmd {
	if m.state.alike[e.Cause().Kind()] > 1 {
		return nil
	}
	cmds := m.wrapped(clock(m.state.elapsed(at)) + " " + m.bad("failed") + " " + visible.Line(e.Name) + ": " + failureText(e, 1))
	for _, l := range outputLines(e.Cause(), finalOutput) {
		cmds = append(cmds, tea.Println(m.dim(truncate("  "+l, m.room()))))
	}
	return cmds
}

// wrapped prints a text above the view.
func (m model) wrapped(text string) (cmds []tea.Cmd) {
	for line := range strings.SplitSeq(ansi.Wrap(text, m.room(), ""), "\n") {
		cmds = append(cmds, tea.Println(line))
	}
	return cmds
}

// room is how wide lines above the view may be.
func (m model) room() int { return max(m.width-1, 10) }

// View implements tea.Model. A run that has not begun or is over has no frame;
// the closing text follows when the program has let go of the terminal.
func (m model) View() tea.View {
	var v tea.View
	v.DisableBracketedPasteMode = true
	if !m.ended {
		v.SetContent(m.drawn)
	}
	return v
}

func (m model) browsed() browsed {
	return browsed{frame: m.frame(), browser: m.browser, book: m.book, log: m.log}
}

// frame leaves one line of the terminal free for those that scroll by above.
func (m model) frame() frame {
	f := frame{
		palette: m.palette, State: &m.state, now: m.now,
		width: m.width, height: max(m.height-1, 1), least: m.tallest, hint: m.browser.note,
	}
	if m.browser.keys && f.hint == "" {
		f.hint = keysHint
	}
	return f
}
