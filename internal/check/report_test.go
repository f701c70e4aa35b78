package check

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func asIs(s string) string { return s }

func jobs(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("job-%d", i))
	}
	return names
}

// of makes a report with findings about jobs of the same names.
func of(n, existing int, found ...Finding) *Report {
	r := &Report{Jobs: jobs(n), Existing: jobs(existing)}
	r.Add(found...)
	return r
}

var (
	gone   = Finding{Severity: Fault, Kind: Image, Text: "a/b:1 does not exist", Jobs: []string{"job-3"}, Places: []Place{{"d/Dockerfile", 2}}}
	again  = Finding{Severity: Fault, Kind: Image, Text: "a/b:1 does not exist", Jobs: []string{"job-1", "job-3"}, Places: []Place{{"c/Dockerfile", 2}, {"d/Dockerfile", 2}}}
	casing = Finding{Severity: Warning, Kind: Dockerfile, Text: "FromAsCasing: as", Hint: "https://x", Jobs: jobs(4)}
	silent = Finding{Severity: Unknown, Kind: Quota, Text: "what docker.io allows: no answer"}
	full   = Finding{Severity: Fault, Kind: Space, Text: "the disk is too small"}
)

// Each fault is told once, the worst first, with all jobs and places in their order.
func TestText(t *testing.T) {
	for name, tt := range map[string]struct {
		report *Report
		want   string
	}{
		"nothing":                {of(500, 0), "checked 500 jobs: nothing is wrong\n"},
		"what exists":            {of(500, 40), "checked 460 jobs: nothing is wrong; 40 of 500 jobs not looked at, since their images exist: --force looks at all\n"},
		"one that exists":        {of(2, 1), "checked 1 job: nothing is wrong; 1 of 2 jobs not looked at, since its image exists: --force looks at all\n"},
		"all exist":              {of(6, 6), "6 of 6 jobs not looked at, since their images exist: --force looks at all\n"},
		"all exist, and a fault": {of(6, 6, full), "fault: the disk is too small\n\nchecked 0 jobs: 1 fault; 6 of 6 jobs not looked at, since their images exist: --force looks at all\n"},
		"unknown alone":          {of(1, 0, silent), "not known: what docker.io allows: no answer\n\nchecked 1 job: no fault found, 1 not known\n"},
		"the input itself":       {of(0, 0, Finding{Severity: Fault, Kind: Input, Text: "rows: row 3: no", Hint: "mend it"}), "fault: rows: row 3: no\n  mend it\n\nchecked the input: 1 fault; nothing else could be asked\n"},
		"all kinds": {of(4, 0, silent, casing, full, gone, again),
			"fault: a/b:1 does not exist\n  c/Dockerfile:2, d/Dockerfile:2\n  in 2 of 4 jobs: job-1, job-3\n" +
				"fault: the disk is too small\n" +
				"warning: FromAsCasing: as\n  https://x\n  in all 4 jobs\n" +
				"not known: what docker.io allows: no answer\n" +
				"\nchecked 4 jobs: 2 faults in 2 jobs, 1 warning, 1 not known\n"},
		"many jobs": {of(100, 0, Finding{Severity: Fault, Kind: Build, Text: "no\nway", Jobs: jobs(50)}),
			"fault: no\n  way\n  in 50 of 100 jobs: job-0, job-1, job-2, job-3, job-4 and 45 more\n\nchecked 100 jobs: 1 fault in 50 jobs\n"},
	} {
		if got := tt.report.Text(asIs); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// What is wrong are faults and warnings; advice, and what is not known, is none.
func TestWrong(t *testing.T) {
	dear := Finding{Severity: Advice, Kind: Cost, Text: "it is dear", Cost: &Costing{Rule: "x"}}
	want := "fault: a/b:1 does not exist\n  d/Dockerfile:2\n  in 1 of 4 jobs: job-3\nwarning: FromAsCasing: as\n  https://x\n  in all 4 jobs\n"
	if got := of(4, 0, silent, casing, gone, dear).Wrong().List(asIs); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTellsNoSecrets(t *testing.T) {
	r := of(1, 0, Finding{Severity: Fault, Kind: Build, Text: "hunter2 is wrong", Hint: "not hunter2", Jobs: jobs(1)})
	hide := func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }
	junit, err := r.JUnit(time.Now(), 0, hide)
	for name, text := range map[string]string{"text": r.Text(hide), "markdown": r.Markdown(hide), "junit": string(junit),
		"json": fmt.Sprint(r.Document(hide)), "annotations": fmt.Sprint(r.Annotations(hide))} {
		if err != nil || strings.Contains(text, "hunter2") || !strings.Contains(text, "***") && !strings.Contains(text, `\*\*\*`) {
			t.Errorf("%s: %v %s", name, err, text)
		}
	}
}

// What something costs is told in every format.
func TestCostIsTold(t *testing.T) {
	const cost = "costs about 10.0s"
	r := of(2, 0, Finding{Severity: Advice, Kind: Cost, Text: "it is dear", Jobs: jobs(1), Cost: &Costing{Rule: "x", Text: cost}})
	junit, err := r.JUnit(time.Now(), 0, asIs)
	for format, text := range map[string]string{"text": r.Text(asIs), "markdown": r.Markdown(asIs), "junit": string(junit), "sarif": fmt.Sprintf("%+v", r.SARIF("1", "/", asIs)),
		"json": fmt.Sprint(*r.Document(asIs).Findings[0].Cost)} {
		if err != nil || !strings.Contains(text, cost) {
			t.Errorf("%s (%v): %s", format, err, text)
		}
	}
}

func TestDocument(t *testing.T) {
	d := of(4, 1, silent, casing, gone, again).Document(asIs)
	if d.OK || d.Jobs != 4 || d.Existing != 1 || d.Faults != 1 || d.Warnings != 1 || d.Unknown != 1 || len(d.Findings) != 3 {
		t.Errorf("%+v", d)
	}
	if !slices.Equal(d.Findings[0].Jobs, []string{"job-1", "job-3"}) {
		t.Errorf("jobs %v", d.Findings[0].Jobs)
	}
	if d := of(4, 1, silent, casing).Document(asIs); !d.OK {
		t.Error("a warning is no fault")
	}
	if d := of(1, 0).Document(asIs); d.Findings == nil {
		t.Error("no findings are a list without any")
	}
}

func TestMarkdown(t *testing.T) {
	r := of(4, 0, Finding{Severity: Fault, Kind: Image, Text: "a|b <i>_x_</i>\nmore", Hint: "do", Jobs: []string{"job-1"}, Places: []Place{{"f", 0}}}, silent)
	want := "## Stoker checked 4 jobs: 1 fault in 1 job, 1 not known\n\n| | what | where | jobs |\n| --- | --- | --- | --- |\n" +
		`| fault | a\|b &lt;i&gt;\_x\_&lt;/i&gt;<br>more<br>do | f | in 1 of 4 jobs: job-1 |` + "\n" +
		"| not known | what docker.io allows: no answer |  |  |\n"
	if got := r.Markdown(asIs); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// The XML has what the schemas ask for: each test fails, or is skipped, once at most, and
// the numbers are those of the tests.
func TestJUnit(t *testing.T) {
	odd := Finding{Severity: Fault, Kind: Build, Text: "<b> & \x1b[31m \"c\"\x00", Jobs: []string{"job-1"}}
	untold := Finding{Severity: Unknown, Kind: Tag, Text: "whether it exists", Jobs: []string{"job-0", "job-1"}}
	text, err := of(4, 0, gone, again, odd, untold, casing, silent, full).JUnit(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 1500*time.Millisecond, asIs)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		XMLName xml.Name
		Suite   struct {
			Attributes []xml.Attr `xml:",any,attr"`
			Tests      []struct {
				Name     string `xml:"name,attr"`
				Class    string `xml:"classname,attr"`
				Time     string `xml:"time,attr"`
				Outcomes []struct {
					XMLName xml.Name
					Message string `xml:"message,attr"`
					Type    string `xml:"type,attr"`
					Text    string `xml:",chardata"`
				} `xml:",any"`
			} `xml:"testcase"`
			Out string `xml:"system-out"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &got); err != nil || got.XMLName.Local != "testsuites" {
		t.Fatalf("%v\n%s", err, text)
	}
	var attributes []string
	for _, a := range got.Suite.Attributes {
		attributes = append(attributes, a.Name.Local+"="+a.Value)
	}
	if a := strings.Join(attributes, " "); a != "id=0 package=stoker name=stoker check timestamp=2026-01-02T03:04:05 hostname=localhost tests=6 failures=3 errors=0 skipped=2 time=1.500" {
		t.Error(a)
	}
	var told []string
	for _, test := range got.Suite.Tests {
		line := test.Name + ":"
		for _, o := range test.Outcomes {
			line += fmt.Sprintf(" %s %s", o.XMLName.Local, o.Type)
		}
		if len(test.Outcomes) > 1 || test.Class == "" || test.Time == "" {
			t.Errorf("%+v", test)
		}
		told = append(told, strings.TrimSpace(line))
	}
	want := []string{"job-0: skipped", "job-1: failure image", "job-2:", "job-3: failure image", "the disk is too small: failure space", "what docker.io allows: no answer: skipped"}
	if !slices.Equal(told, want) {
		t.Errorf("%q\nwant\n%q", told, want)
	}
	if text := got.Suite.Tests[1].Outcomes[0].Text; !strings.Contains(text, "a/b:1") || !strings.Contains(text, "<b> & \"c\"") && !strings.Contains(text, "<b> &") {
		t.Errorf("a job with two faults has %q", text)
	}
	if !strings.Contains(got.Suite.Out, "warning: FromAsCasing: as; https://x; in all 4 jobs") {
		t.Errorf("the output is %q", got.Suite.Out)
	}
}

// GitHub shows ten of a step; what is not known is none of them.
func TestAnnotations(t *testing.T) {
	r := of(30, 0, silent, casing)
	for i := range 12 {
		r.Add(Finding{Severity: Fault, Kind: Image, Text: fmt.Sprintf("image %d", i), Jobs: []string{"job-1"}, Places: []Place{{"f", 0}}})
	}
	all := r.Annotations(asIs)
	if len(all) != 10 || all[0].Level != "error" || all[0].File != "f" || all[0].Line != 1 || all[0].Text != "image 0\nin 1 of 30 jobs: job-1" {
		t.Errorf("%d: %+v", len(all), all[0])
	}
	if all := of(4, 0, silent, casing).Annotations(asIs); len(all) != 1 || all[0].Level != "warning" || all[0].File != "" {
		t.Errorf("%+v", all)
	}
}

// People are told some of very many alike, and how many there are; programs all.
func TestVeryMany(t *testing.T) {
	r := of(100, 0, full)
	for _, name := range r.Jobs {
		r.Add(Finding{Severity: Fault, Kind: Image, Text: name + "'s image does not exist", Jobs: []string{name}})
	}
	for format, text := range map[string]string{"text": r.Text(asIs), "markdown": r.Markdown(asIs)} {
		if strings.Count(text, "does not exist") != 20 || !strings.Contains(text, "the disk is too small") || !strings.Contains(text, "and 80 more like these") {
			t.Errorf("%s:\n%s", format, text)
		}
	}
	if d := r.Document(asIs); len(d.Findings) != 101 || d.Faults != 101 {
		t.Errorf("%d findings, %d faults", len(d.Findings), d.Faults)
	}
}

// A job that was not looked at is skipped, not passed.
func TestJUnitOfWhatExists(t *testing.T) {
	text, err := of(3, 2, full).JUnit(time.Now(), 0, asIs)
	if err != nil || !strings.Contains(string(text), `skipped="2"`) || strings.Count(string(text), `<skipped message="not looked at, since its image exists: --force looks at all">`) != 2 {
		t.Errorf("%v\n%s", err, text)
	}
}
