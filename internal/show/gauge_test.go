package show

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
)

func TestGauges(t *testing.T) {
	const gb = 1_000_000_000
	parts := &journal.Parts{Live: 6 * gb, Dead: 3 * gb, Foreign: gb, LeftOver: 1}
	of := func(used, reserved int64) journal.Sampled {
		return journal.Sampled{Node: "node-a", Bound: "the disk of /mnt", UsedBytes: used * gb, ReservedBytes: reserved * gb, LowBytes: 80 * gb, HighBytes: 100 * gb}
	}
	full := of(10, 0)
	full.Cache = parts
	for _, tt := range []struct {
		name  string
		e     journal.Sampled
		width int
		want  string
	}{
		{"used, promised and free", of(50, 20), 60, "disk ████████▒▒▒░│░░ 50GB + 20GB promised of 100GB, low 80GB"},
		{"nothing promised", of(50, 0), 60, "disk ████████████████░░░░░░░░░│░░░░░ 50GB of 100GB, low 80GB"},
		{"more than may be", of(120, 0), 60, "disk ████████████████████████│█████ 120GB of 100GB, low 80GB"},
		{"narrow", of(50, 20), 40, "disk ███████▒▒▒░│░░ 50GB + 20GB of 100GB"},
		{"no room for a bar", of(50, 20), 24, "disk 50GB of 100GB"},
		{"parts", full, 100, "disk █████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│░░░░░░░░░ 10GB of 100GB, low 80GB\ncache 10GB: 60% live, 30% dead, 10% foreign, <1% left over"},
		{"a budget", journal.Sampled{Bound: "--cache-budget", UsedBytes: gb, HighBytes: 2 * gb}, 30, "budget ██████░░░░░░ 1GB of 2GB"},
		{"no bound", journal.Sampled{Cache: parts}, 80, "cache 10GB: 60% live, 30% dead, 10% foreign, <1% left over"},
		{"unknown", journal.Sampled{Bound: "the disk of /mnt", Unknown: true}, 80, "the disk of /mnt: how full it is cannot be read"},
		{"nothing known", journal.Sampled{}, 80, ""},
	} {
		s := stateOf(told{0, runOf(3, 1)}, told{1, tt.e})
		if got := strings.Join(gauging{frame{State: s, width: tt.width, height: 24}}.gauges(), "\n"); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// Of several nodes the fullest are shown, by their own words.
func TestGaugesOfSeveralNodes(t *testing.T) {
	begin := runOf(3, 1)
	begin.Nodes = nil
	events := []told{{0, begin}}
	for i, node := range []string{"tcp://a:1234", "tcp://b:1234", "tcp://c:1234", "tcp://d:1234"} {
		begin.Nodes = append(begin.Nodes, node)
		events = append(events, told{1, journal.Sampled{Node: node, Bound: "the disk of /", UsedBytes: int64(i), HighBytes: 9}})
	}
	events[0].event = begin
	s := stateOf(events...)
	if got := (gauging{frame{State: s, width: 60, height: 24}}).gauges(); len(got) != 3 || !strings.HasPrefix(got[0], "d disk ") || !strings.HasPrefix(got[2], "b disk ") {
		t.Errorf("on a high screen: %q", got)
	}
	if got := (gauging{frame{State: s, width: 60, height: 15}}).gauges(); len(got) != 1 || !strings.HasPrefix(got[0], "d disk ") {
		t.Errorf("on a low screen: %q", got)
	}
}

// A gauge is never wider than the screen, and a bar never longer than it says.
func TestGaugesFit(t *testing.T) {
	for width := 1; width < 170; width++ {
		for used := int64(-1); used < 14; used++ {
			e := journal.Sampled{Bound: "the disk of /mnt", UsedBytes: used, ReservedBytes: used, LowBytes: 8, HighBytes: 10}
			f := frame{State: stateOf(told{0, runOf(3, 1)}, told{1, e}), width: width, height: 24}
			if text := f.String(); ansi.StringWidth(strings.Split(text, "\n")[3]) > width {
				t.Errorf("%d wide, %d used:\n%s", width, used, text)
			}
			if n := ansi.StringWidth((gauging{f}).level(e, width)); n != width {
				t.Errorf("a bar of %d cells has %d", width, n)
			}
		}
	}
}

func TestWaits(t *testing.T) {
	s := stateOf(told{0, runOf(3, 1)}, told{1, journal.Sampled{Node: "a", Waiting: map[string]int{"worker": 5, "space": 1, "moon\x1b[2J": 2}}},
		told{1, journal.Sampled{Node: "b", Waiting: map[string]int{"worker": 6, "registry": 1, "pause": 1, "image": 1, "node": 1}}})
	f := frame{State: s, width: 150, height: 24}
	want := "waiting: 1 for space, 1 for a registry, 1 for a node, 1 for their next attempt, 1 for another image, 11 for a worker, 2 for moon"
	if got := strings.Join((gauging{f}).waits(), "\n"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.Apply(sec(2), journal.Stopping{Reason: "interrupted"})
	if got := (gauging{f}).waits(); got != nil {
		t.Errorf("while it stops: %q", got)
	}
}
