package show

import (
	"io"
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
	frameEvery = 100 * time.Millisecond
	// framesPerSecond is how often the terminal is brought up to date.
	framesPerSecond = 20
)

// tty is the view of ModeTTY.
type tty struct {
	out   io.Writer
	feed  *feed
	ended chan struct{}

	// Written before ended is closed.
	last model
	err  error

	closeOnce sync.Once
	closeErr  error
}

// newTTY starts the live view. It reads no input and handles no signal: the
// terminal keeps its normal mode, and Ctrl-C reaches the program as SIGINT.
func newTTY(out io.Writer, color bool, opts Options, more ...tea.ProgramOption) *tty {
	t := &tty{out: out, feed: newFeed(opts.Now), ended: make(chan struct{})}
	options := append([]tea.ProgramOption{
		tea.WithOutput(out), tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond),
	}, more...)
	program := tea.NewProgram(newModel(t.feed, out, color), options...)
	go t.run(program)
	return t
}

func (t *tty) run(program *tea.Program) {
	defer close(t.ended)
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

// feed hands events to the live view, which takes them once per frame. While the
// terminal takes nothing, whoever adds more than a frame can have waits.
type feed struct {
	now    func() time.Time
	closed chan struct{}

	mu     sync.Mutex
	events []observed
	taken  chan struct{} // closed and replaced when the view takes the events
}

// frameEvents is how many events a frame can have.
const frameEvents = 1000

type observed struct {
	at    time.Time
	event journal.Event
}

func newFeed(now func() time.Time) *feed {
	return &feed{now: now, closed: make(chan struct{}), taken: make(chan struct{})}
}

func (f *feed) add(at time.Time, e journal.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.events) >= frameEvents && !f.isClosed() {
		taken := f.taken
		f.mu.Unlock()
		select {
		case <-taken:
		case <-f.closed:
		}
		f.mu.Lock()
	}
	if !f.isClosed() {
		f.events = append(f.events, observed{at, e})
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isClosed() {
		close(f.closed)
	}
}

func (f *feed) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

// next waits for the time of the next frame and takes what has happened since
// the one before.
func (f *feed) next() tea.Msg {
	timer := time.NewTimer(frameEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.closed:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	news := newsMsg{now: f.now(), events: f.events, last: f.isClosed()}
	f.events = nil
	close(f.taken)
	f.taken = make(chan struct{})
	return news
}

// newsMsg is what has happened between two frames. Nothing follows the last.
type newsMsg struct {
	now    time.Time
	events []observed
	last   bool
}

// endMsg ends the view; the terminal shows all that came before it.
type endMsg struct{}

// model is the live view as Bubble Tea drives it.
type model struct {
	palette
	feed          *feed
	state         State
	now           time.Time
	width, height int
	tallest       int // frame at this size of the terminal
	ended         bool
}

// newModel asks for the terminal's size itself: Bubble Tea tells it too, but
// maybe only after the first news.
func newModel(f *feed, out io.Writer, color bool) model {
	m := model{palette: palette{color}, feed: f}
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
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height, m.tallest = msg.Width, msg.Height, 0
	case newsMsg:
		return m.take(msg)
	case endMsg:
		m.ended = true
		return m, tea.Quit
	}
	return m, nil
}

// take folds news into the state. The commands run one after the other, and
// the next news are taken after them, so that lines keep their order.
func (m model) take(news newsMsg) (tea.Model, tea.Cmd) {
	m.now = news.now
	var cmds []tea.Cmd
	for _, o := range news.events {
		m.state.Apply(o.at, o.event)
		cmds = append(cmds, m.permanent(o)...)
	}
	m.tallest = max(m.tallest, lipgloss.Height(m.frame().String()))
	return m, tea.Sequence(append(cmds, m.after(news)...)...)
}

// after is what follows news: more of them, or the end. The end waits until the
// terminal has repaired a frame that an echoed Ctrl-C may have damaged.
func (m model) after(news newsMsg) []tea.Cmd {
	switch {
	case !news.last:
		return []tea.Cmd{m.feed.next}
	case m.state.stopping == "":
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
	if !m.ended && !m.state.started.IsZero() {
		v.SetContent(m.frame().String())
	}
	return v
}

// frame leaves one line of the terminal free for those that scroll by above.
func (m model) frame() frame {
	return frame{
		palette: m.palette, State: &m.state, now: m.now,
		width: m.width, height: max(m.height-1, 1), least: m.tallest,
	}
}
