package report

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/timeline"
)

// took is a job that was built in so many seconds, of which some were steps and pulls.
func took(name string, steps, pull float64) ledger.Entry {
	return tookAt(1, name, steps, pull)
}

// tookAt is one that ended at a minute.
func tookAt(minute int, name string, steps, pull float64) ledger.Entry {
	e := entry(name, ledger.Built, minute)
	e.DurationSeconds, e.Phases = steps+pull, &ledger.Phases{Steps: steps, Pull: pull}
	return e
}

// began is a run of a record that began with so many workers.
func began(r ledger.Record, workers int) Seen {
	run := &timeline.Run{}
	run.Apply(r.Run.StartedAt.Time, journal.RunStarted{Workers: workers, Nodes: []string{"node"}})
	return Seen{Record: r, Events: run}
}

// twoRuns are two of the same jobs and some of their own.
func twoRuns() (a, b Seen) {
	names := []string{"a", "b", "c", "d", "e"}
	a = began(ended(record("monday", 0, append(names, "mine"), took("a", 10, 1), took("b", 20, 2), took("c", 5, 0), entry("d", ledger.Failed, 2), took("e", 1, 1)), 10, 7_000_000), 4)
	b = began(ended(record("tuesday", 100, append(names, "his"), tookAt(101, "a", 10.2, 1), tookAt(101, "b", 8, 3), tookAt(102, "c", 6, 30), tookAt(102, "d", 5, 5), entry("e", ledger.Failed, 103)), 105, 9_000_000), 8)
	a.Given = map[string]string{"--workers": "4", "--output-dir": "x", "--compression": "zstd", "arguments": "agent"}
	b.Given = map[string]string{"--output-dir": "y", "--output": "type=registry,name=" + strings.Repeat("long/", 20), "arguments": "agent"}
	a.Summary.Space, b.Summary.Space = &ledger.Space{Bound: "the disk of /data", HighBytes: 20e9, PeakBytes: 10e9}, &ledger.Space{Bound: "the disk of /data", HighBytes: 20e9, PeakBytes: 15e9}
	return a, b
}

func TestCompareText(t *testing.T) {
	want := `comparison: 5 jobs in both runs, 1 in A alone, 1 in B alone
  A  monday
  B  tuesday
                                           A                 B  change
  state                              stopped           stopped
  began (UTC)               2026-05-06 12:00  2026-05-06 13:40
  built                                    4                 4
  skipped                                  0                 0
  failed                                   1                 1
  unfinished                               1                 1
  wall clock                          10m00s             5m00s    -50%
  images an hour                         120                80    -33%
  median of built                       8.0s             11.1s    +39%
  to pull, by forecast                   1MB               1MB
  pulled                                 2MB               2MB
  reclaimed                              7MB               9MB    +29%
  peak                                  10GB              15GB    +50%
  the peaks are of the disk of /data
options that differ
  --workers       A 4, B 8
  --compression   A zstd, B not given
  --output
    A  not given
    B  type=registry,name=` + strings.Repeat("long/", 20) + `
time of an image, on average
                                     A           B  change
  pulling                   1.0s (10%)  9.8s (57%)   +8.8s
  steps                     9.0s (90%)  7.3s (43%)   -1.7s
  all                            10.0s       17.1s   +7.1s
built in both: 3 jobs, 1 slower, 1 faster, 1 about the same
  38.0s → 58.2s in all (+53%)
  +31.0s   5.0s → 36.0s  pulling +30.0s  c
  -11.0s  22.0s → 11.0s    steps -12.0s  b
failed in A alone: 1 job
  1 job: Dockerfile:4: no <such> file
    d
    logs/d/attempt-1.log
failed in B alone: 1 job
  1 job: Dockerfile:4: no <such> file
    e
    logs/e/attempt-1.log
`
	if got := Compare(twoRuns()).Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What nobody knows is said to be unknown, and changes nothing.
func TestCompareUnknown(t *testing.T) {
	running := record("running", 0, []string{"a", "b"}, entry("b", ledger.Skipped, 2))
	running.Writing = true
	_, b := twoRuns()
	b.Summary.Space.Bound = "the cache budget"
	c := Compare(Seen{Record: running}, b)
	text := c.Text()
	for _, want := range []string{"\n  state                              running           stopped\n", "\n  images an hour                           -", "\n  reclaimed                          unknown               9MB\n", "  the peak of A is of unknown, that of B of the cache budget\n",
		"\n  pulling                   unknown  9.8s (57%)\n", "built in both: 0 jobs\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "options") || strings.Contains(text, "NaN") {
		t.Errorf("options of a run that does not tell:\n%s", text)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"a":{"dir":"running","state":"running"`, `"images_per_hour":null,"median_build_seconds":null,"pull_bytes":null,"pulled_bytes":null,"reclaimed_bytes":null,"peak_bytes":null}`, `"options":[]`, `"changed_most":[]`, `{"phase":"pull","a_seconds":null,"b_seconds":9.75}`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
}

// A run that goes on is told by its events.
func TestCompareRunning(t *testing.T) {
	running := record("running", 0, []string{"a", "b"}, took("a", 30, 0))
	running.Writing = true
	s := began(running, 1)
	s.Events.Apply(at(1).Time, journal.Sampled{Node: "node", Bound: "the cache budget", UsedBytes: 8e9})
	s.Events.Apply(at(2).Time, journal.Sampled{Node: "node", Bound: "the cache budget", UsedBytes: 6e9})
	s.Events.Apply(at(2).Time, journal.SweepStarted{Node: "node"})
	s.Events.Apply(at(3).Time, journal.SweepFinished{Node: "node", ReclaimedBytes: 2e9})
	f := figuresOf(s)
	if *f.WallClock != 180 || *f.ImagesPerHour != 60 || *f.MedianSeconds != 30 || *f.ReclaimedBytes != 2e9 || *f.PeakBytes != 8e9 || f.PeakOf != "the cache budget" || f.PullBytes != nil {
		t.Errorf("%+v", f)
	}
}

// Only runs of the same jobs are compared: those of one name in two phases are two.
func TestNothingInCommon(t *testing.T) {
	a := record("bases", 0, []string{"a"}, entry("a", ledger.Built, 1))
	b := record("finals", 0, nil)
	b.Run.Plan.Jobs = []ledger.PlanJob{{Name: "a", Tags: []string{"r.example/final:a"}}}
	if c := Compare(Seen{Record: a}, Seen{Record: b}); c != nil {
		t.Errorf("compared: %+v", c)
	}
	b.Run.Plan.Jobs[0].Tags = []string{"r.example/out:unknown-hash"} // it failed before its name was known
	if c := Compare(Seen{Record: a}, Seen{Record: b}); c == nil || c.InBoth != 1 {
		t.Errorf("%+v", c)
	}
}

// What stands in records cannot break out of the tables.
func TestCompareMarkdown(t *testing.T) {
	a, b := twoRuns()
	b.Dir = "a|b`c\x1b[31m"
	b.Entries[2].Name, b.Run.Plan.Jobs[2].Name, a.Entries[2].Name, a.Run.Plan.Jobs[2].Name = "<c>", "<c>", "<c>", "<c>"
	md := Compare(a, b).Markdown()
	for _, want := range []string{"### Comparison\n\n5 jobs in both runs, 1 in A alone, 1 in B alone. A is monday, B is a\\|b\\`c.\n", "| wall clock | 10m00s | 5m00s | -50% |\n", "| --compression | zstd | not given |\n",
		"| &lt;c&gt; | 5.0s | 36.0s | +31.0s | pulling +30.0s |\n", "| steps | 9.0s (90%) | 7.3s (43%) | -1.7s |\n", "\nFailed in B alone: 1 job\n\n- 1 job: Dockerfile:4: no &lt;such&gt; file (e)\n"} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
}

// anyRun is a run of some jobs, with times that differ much or little.
func anyRun(t *rapid.T, dir string) Seen {
	names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-h]`), rapid.ID[string]).Draw(t, "jobs")
	statuses := rapid.SampledFrom([]ledger.Status{ledger.Built, ledger.Built, ledger.Built, ledger.Failed, ledger.Skipped, ledger.SkippedDependency, ""})
	seconds := rapid.Custom(func(t *rapid.T) float64 { return ledger.Thousandths(rapid.Float64Range(0, 20).Draw(t, "seconds")) })
	var entries []ledger.Entry
	for _, name := range names {
		status := statuses.Draw(t, "status")
		if status == "" {
			continue
		}
		e := entry(name, status, rapid.IntRange(0, 3).Draw(t, "minute"))
		e.DurationSeconds = seconds.Draw(t, "duration")
		if rapid.Bool().Draw(t, "told") {
			e.Phases = &ledger.Phases{Pull: seconds.Draw(t, "pull"), Steps: seconds.Draw(t, "steps")}
		}
		entries = append(entries, e)
	}
	r := record(dir, 0, names, entries...)
	if rapid.Bool().Draw(t, "ended") {
		r = ended(r, 5, rapid.Int64Range(0, 5).Draw(t, "reclaimed"))
	}
	s := Seen{Record: r}
	if rapid.Bool().Draw(t, "events") {
		s = began(r, rapid.IntRange(0, 3).Draw(t, "workers"))
	}
	s.Given = rapid.MapOf(rapid.SampledFrom([]string{"--x", "--y", "--workers"}), rapid.SampledFrom([]string{"1", "2"})).Draw(t, "given")
	return s
}

// mirrored is a comparison the other way round.
func mirrored(c Comparison) Comparison {
	c.A, c.B, c.OnlyA, c.OnlyB, c.FailedA, c.FailedB = c.B, c.A, c.OnlyB, c.OnlyA, c.FailedB, c.FailedA
	for i, o := range c.Options {
		c.Options[i].A, c.Options[i].B = o.B, o.A
	}
	for i, p := range c.Phases {
		c.Phases[i].A, c.Phases[i].B = p.B, p.A
	}
	b := &c.Built
	b.Slower, b.Faster, b.A, b.B = b.Faster, b.Slower, b.B, b.A
	for i, j := range b.Changed {
		b.Changed[i].A, b.Changed[i].B, b.Changed[i].Change = j.B, j.A, -j.Change
		if j.Phase != nil {
			j.Phase.Change *= -1
		}
	}
	return c
}

// inOrder puts the failures in an order that no run has given them.
func inOrder(c *Comparison) *Comparison {
	if c == nil {
		return nil
	}
	for _, failed := range [][]FailedOnce{c.FailedA, c.FailedB} {
		slices.SortFunc(failed, func(x, y FailedOnce) int { return strings.Compare(x.Name, y.Name) })
	}
	return c
}

// From B to A all is the other way round.
func TestCompareMirrors(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := anyRun(rt, "a"), anyRun(rt, "b")
		there, back := inOrder(Compare(a, b)), inOrder(Compare(b, a))
		if there == nil || back == nil {
			if there != nil || back != nil {
				rt.Fatalf("they are compared in one direction alone: %+v, %+v", there, back)
			}
			return
		}
		if got := mirrored(*back); !reflect.DeepEqual(got, *there) {
			rt.Fatalf("from A to B\n%+v\nfrom B to A, mirrored\n%+v", *there, got)
		}
		b0 := there.Built
		if b0.Slower+b0.Faster+b0.Same != b0.Jobs || len(b0.Changed) > shownChanges || len(b0.Changed) > b0.Slower+b0.Faster {
			rt.Fatalf("%+v", b0)
		}
	})
}

// A run is no different from itself.
func TestCompareWithItself(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := anyRun(rt, "a")
		c := Compare(s, s)
		if c == nil {
			if len(s.Run.Plan.Jobs) > 0 {
				rt.Fatal("it has no job in common with itself")
			}
			return
		}
		if c.OnlyA+c.OnlyB+len(c.Options)+len(c.FailedA)+len(c.FailedB)+c.Built.Slower+c.Built.Faster+len(c.Built.Changed) > 0 || !reflect.DeepEqual(c.A, c.B) {
			rt.Fatalf("%+v", c)
		}
		for _, row := range append(c.Rows(), c.PhaseRows()...) {
			if row.A != row.B || row.Change != "" {
				rt.Fatalf("%+v", row)
			}
		}
	})
}

// Of many jobs only the first are named, and lines fit 80 columns, but for those of many names.
func TestCompareManyJobs(t *testing.T) {
	var names []string
	var inA, inB []ledger.Entry
	for i := range 1000 {
		name := fmt.Sprintf("project__project-%d", i)
		names = append(names, name)
		inA = append(inA, took(name, 4000+float64(i), 900))
		if e := took(name, 8000, 900+float64(2*i)); i%3 > 0 {
			inB = append(inB, e)
		} else {
			inB = append(inB, entry(name, ledger.Failed, 3))
		}
	}
	text := Compare(Seen{Record: ended(record("a", 0, names, inA...), 600, 1e12)}, Seen{Record: ended(record("b", 0, names, inB...), 900, 2e12)}).Text()
	if n := strings.Count(text, "\n"); n > 50 {
		t.Errorf("%d lines\n%s", n, text)
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(line)) - 1; n > 80 && !strings.HasPrefix(line, "    project") {
			t.Errorf("%d wide: %s", n, line)
		}
	}
	if !strings.Contains(text, "failed in B alone: 334 jobs\n") || !strings.Contains(text, "and 329 more\n") {
		t.Errorf("%s", text)
	}
}
