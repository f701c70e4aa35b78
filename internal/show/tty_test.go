package show

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

func modelOf() model {
	return newModel(newFeed(func() time.Time { return sec(100) }), &bytes.Buffer{}, false)
}

func update(t *testing.T, m model, msg tea.Msg) (model, tea.Cmd) {
	t.Helper()
	next, cmd := m.Update(msg)
	return next.(model), cmd
}

func newsOf(last bool, events ...told) newsMsg {
	n := newsMsg{now: sec(100), last: last}
	for _, e := range events {
		n.events = append(n.events, observed{sec(e.at), e.event})
	}
	return n
}

func TestModelShowsTheRun(t *testing.T) {
	m := modelOf()
	if got := m.View().Content; got != "" {
		t.Errorf("before all: %q", got)
	}
	m, _ = update(t, m, tea.WindowSizeMsg{Width: 80, Height: 10})
	m, _ = update(t, m, newsOf(false, told{0, runOf(60, 3)}, told{40, journal.JobStarted{Job: "a"}}))
	for _, want := range []string{"60 images", "0:01:40", "a  checking"} {
		if got := m.View().Content; !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	m, _ = update(t, m, tea.WindowSizeMsg{Width: 30, Height: 4})
	lines := strings.Split(m.View().Content, "\n")
	if len(lines) != 3 || ansi.StringWidth(lines[0]) > 30 {
		t.Errorf("after a change of size: %q", lines)
	}
	m, cmd := update(t, m, endMsg{})
	if got := m.View().Content; got != "" {
		t.Errorf("after the end: %q", got)
	}
	if _, ok := cmd().(tea.QuitMsg); !ok {
		t.Error("the end does not quit")
	}
}

func TestModelNeverShrinks(t *testing.T) {
	m, _ := update(t, modelOf(), tea.WindowSizeMsg{Width: 80, Height: 24})
	m, _ = update(t, m, newsOf(false, told{0, runOf(60, 3)}, told{1, journal.JobStarted{Job: "a"}}, told{1, journal.JobStarted{Job: "b"}}))
	before := strings.Count(m.View().Content, "\n")
	m, _ = update(t, m, newsOf(false, told{2, built("a", 1)}, told{2, built("b", 1)}))
	if after := strings.Count(m.View().Content, "\n"); after != before {
		t.Errorf("%d line breaks became %d", before, after)
	}
}

// messages runs what a command stands for. A sequence is a slice of commands of
// a type that Bubble Tea does not export.
func messages(cmd tea.Cmd) []tea.Msg {
	msg := cmd()
	v := reflect.ValueOf(msg)
	if v.Kind() != reflect.Slice {
		return []tea.Msg{msg}
	}
	var all []tea.Msg
	for i := range v.Len() {
		all = append(all, messages(v.Index(i).Interface().(tea.Cmd))...)
	}
	return all
}

// texts is what messages print above the view.
func texts(msgs []tea.Msg) []string {
	var all []string
	for _, m := range msgs {
		if text := fmt.Sprintf("%+v", m); strings.HasPrefix(text, "{messageBody:") {
			all = append(all, strings.TrimSuffix(strings.TrimPrefix(text, "{messageBody:"), "}"))
		}
	}
	return all
}

func TestModelPrintsFailuresInOrder(t *testing.T) {
	m, _ := update(t, modelOf(), tea.WindowSizeMsg{Width: 40, Height: 24})
	m.feed.close()
	_, cmd := update(t, m, newsOf(false, told{0, runOf(60, 3)}, told{1, built("ok", 1)},
		told{10, failed("one\x1b[2J", "no", 1)}, told{20, failed("two", "a reason that takes more than a line", 1)}))
	msgs := messages(cmd)
	want := []string{
		"0:00:10 failed one: no (1m15s, logs/one",
		".log)",
		"0:00:20 failed two: a reason that takes",
		"more than a line (1m15s, logs/two.log)",
	}
	got := texts(msgs)
	if strings.ReplaceAll(strings.Join(got, " "), " .log", ".log") != strings.ReplaceAll(strings.Join(want, " "), " .log", ".log") {
		t.Errorf("got %q, want the text of %q", got, want)
	}
	for _, line := range got {
		if ansi.StringWidth(line) >= 40 {
			t.Errorf("%q fills the line", line)
		}
	}
	if _, ok := msgs[len(msgs)-1].(newsMsg); !ok {
		t.Errorf("the last message is %T, want the next news", msgs[len(msgs)-1])
	}
}

func TestModelEnds(t *testing.T) {
	m, _ := update(t, modelOf(), tea.WindowSizeMsg{Width: 80, Height: 24})
	_, cmd := update(t, m, newsOf(true, told{0, runOf(60, 3)}, told{1, failed("a", "no", 1)}))
	msgs := messages(cmd)
	if len(texts(msgs)) != 1 {
		t.Errorf("the last failure is not printed: %v", msgs)
	}
	if msgs[len(msgs)-1] != (endMsg{}) {
		t.Errorf("the last message is %T, want the end", msgs[len(msgs)-1])
	}
}

// A Ctrl-C is echoed into the frame, both when the run begins to stop and when
// it is quit at once.
func TestModelRepairsTheFrame(t *testing.T) {
	clear := tea.ClearScreen()
	m, _ := update(t, modelOf(), tea.WindowSizeMsg{Width: 80, Height: 24})
	m.feed.close()
	m, cmd := update(t, m, newsOf(false, told{0, runOf(60, 3)}, told{1, journal.Stopping{Reason: "interrupted"}}))
	if !slices.Contains(messages(cmd), clear) {
		t.Error("nothing is drawn anew when the run begins to stop")
	}
	_, cmd = update(t, m, newsOf(true))
	msgs := messages(cmd)
	if !slices.Contains(msgs, clear) || msgs[len(msgs)-1] != (endMsg{}) {
		t.Errorf("at the end: %v", msgs)
	}
}

func TestFeedKeepsTheOrder(t *testing.T) {
	f := newFeed(func() time.Time { return sec(7) })
	for i := range 10 {
		f.add(sec(float64(i)), built(fmt.Sprint(i), 1))
	}
	f.close()
	f.add(sec(10), built("late", 1))
	news := f.next().(newsMsg)
	if !news.last || !news.now.Equal(sec(7)) || len(news.events) != 10 {
		t.Fatalf("got %+v", news)
	}
	for i, o := range news.events {
		if name := o.event.(journal.JobFinished).Entry.Name; name != fmt.Sprint(i) {
			t.Errorf("event %d is of job %s", i, name)
		}
	}
	if again := f.next().(newsMsg); len(again.events) != 0 {
		t.Errorf("events are told twice: %+v", again.events)
	}
}

func runTTY(t *testing.T, events ...told) string {
	t.Helper()
	var out bytes.Buffer
	v := newTTY(&out, false, Options{}.withDefaults(), tea.WithWindowSize(80, 24), tea.WithEnvironment([]string{"TERM=xterm"}))
	for _, e := range events {
		v.Observe(sec(e.at), e.event)
	}
	for range 2 {
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestTTYLosesNoFailure(t *testing.T) {
	events := []told{{0, runOf(200, 3)}}
	for i := range 200 {
		events = append(events, told{1, failed(fmt.Sprintf("job-%03d", i), "no"+strings.Repeat("x", i%50)+strings.Repeat("y", i/50), 1)})
	}
	end := ledger.Summary{Total: 200, Failed: 200, WallClockSeconds: 9}
	out := runTTY(t, append(events, told{9, journal.RunFinished{Summary: end}})...)
	at := 0
	for i := range 200 {
		line := fmt.Sprintf("0:00:01 failed job-%03d: no", i)
		next := strings.Index(out[at:], line)
		if next < 0 {
			t.Fatalf("%q is missing or out of order", line)
		}
		at += next
	}
	if want := FinalText(end, "stoker-out", 80, false); !strings.HasSuffix(out, want) {
		t.Errorf("the output ends with\n%q\nwant\n%q", out[max(len(out)-200, 0):], want)
	}
}

func TestTTYWithoutARun(t *testing.T) {
	if got := strings.TrimSpace(ansi.Strip(runTTY(t))); got != "" {
		t.Errorf("got %q", got)
	}
}

// stopped is a terminal that takes nothing until it is let go on, as after Ctrl-S.
type stopped struct {
	goOn chan struct{}
	bytes.Buffer
}

func (s *stopped) Write(p []byte) (int, error) {
	<-s.goOn
	return s.Buffer.Write(p)
}

// A terminal that is stopped until after the run's end shows the end once it goes on,
// however much has happened meanwhile. It is waited for longer than others, and not for ever.
func TestEndOnAStoppedTerminal(t *testing.T) {
	end := ledger.Summary{Total: 3, Built: 3}
	for name, tt := range map[string]struct {
		events int
		goesOn bool
	}{
		"a few events": {3, true}, "more than a frame can have": {3 * frameEvents, true}, "for good": {3, false},
	} {
		t.Run(name, func(t *testing.T) {
			out := &stopped{goOn: make(chan struct{})}
			v := newTTY(out, false, Options{}.withDefaults(), tea.WithWindowSize(80, 24), tea.WithEnvironment([]string{"TERM=xterm"}))
			j := journal.New()
			a := Attach(j, v)
			if a.patience != terminalPatience {
				t.Errorf("it is waited for for %s", a.patience)
			}
			j.Tell(runOf(3, 1))
			time.Sleep(2 * frameEvery) // for a frame that is stuck
			for range tt.events {
				j.Tell(journal.Warning{Message: "slow"})
			}
			j.Tell(journal.RunFinished{Summary: end})
			if !tt.goesOn {
				a.patience = 10 * time.Millisecond
				defer func() {
					close(out.goOn)
					_ = v.Close()
				}()
			} else {
				time.AfterFunc(2*frameEvery, func() { close(out.goOn) })
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if want := FinalText(end, "stoker-out", 80, false); tt.goesOn && !strings.HasSuffix(out.String(), want) {
				t.Errorf("the output ends with %q", out.String()[max(out.Len()-200, 0):])
			}
		})
	}
}
