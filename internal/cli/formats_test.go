package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// formatReaders read a report as a program of its format does. They return how many jobs are
// built, skipped and failed by it; -1 for what a format does not tell.
var formatReaders = map[string]func(text string) (built, skipped, failed int, err error){
	"text":     readCounts(`(?m)^\d+ jobs: (\d+) built, (\d+) skipped, (\d+) failed$`),
	"markdown": readCounts(`(?s)\n\| Built \| (\d+) \|\n\| Skipped \| (\d+) \|\n\| Failed \| (\d+) \|\n.*\nimages there, of .*\n### Runs\n`),
	"json":     readJSON, "csv": readCSV, "junit": readJUnit, "html": readPage, "trace": readTrace, "github": readGitHub,
}

// checkFormats makes sure that each format of stoker report can be read, and that all tell of the
// run what its record does.
func (w *workbench) checkFormats() {
	w.t.Helper()
	s := w.summary()
	for _, format := range formatNames() {
		read := formatReaders[format]
		if read == nil {
			w.t.Errorf("nothing reads %s", format)
			continue
		}
		var out bytes.Buffer
		code := Main(w.t.Context(), "test", []string{"report", "--format", format, w.path("out")}, Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard})
		built, skipped, failed, err := read(out.String())
		if code != ExitFailed || err != nil {
			w.t.Errorf("%s: exit code %d, %v\n%s", format, code, err, out.String())
		}
		if command := workflowCommand.FindString(out.String()); command != "" && format != "github" {
			w.t.Errorf("%s: GitHub takes %q for a command", format, command)
		}
		for _, n := range []struct {
			what      string
			got, want int
		}{{"built", built, s.Built}, {"skipped", skipped, s.Skipped}, {"failed", failed, s.Failed}} {
			if n.got != n.want && n.got != -1 {
				w.t.Errorf("%s: %d %s, want %d\n%s", format, n.got, n.what, n.want, out.String())
			}
		}
	}
}

func readCounts(pattern string) func(string) (int, int, int, error) {
	return func(text string) (built, skipped, failed int, err error) {
		found := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if found == nil {
			return 0, 0, 0, fmt.Errorf("no %s", pattern)
		}
		_, err = fmt.Sscan(strings.Join(found[1:], " "), &built, &skipped, &failed)
		return built, skipped, failed, err
	}
}

func readJSON(text string) (built, skipped, failed int, err error) {
	var r struct {
		Built, Skipped, Failed int
		Started                string           `json:"started_at"`
		Seconds                *float64         `json:"wall_clock_seconds"`
		Runs                   []map[string]any `json:"runs"`
		Jobs                   []struct {
			Name, Status string
			Tags         []string
		} `json:"jobs"`
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return 0, 0, 0, err
	}
	if r.Seconds == nil || r.Started == "" || len(r.Runs) != 1 || len(r.Jobs) != r.Built+r.Skipped+r.Failed {
		err = fmt.Errorf("%+v", r)
	}
	for _, j := range r.Jobs {
		if j.Name == "" || j.Status == "" || len(j.Tags) == 0 {
			err = fmt.Errorf("a job %+v", j)
		}
	}
	return r.Built, r.Skipped, r.Failed, err
}

func readCSV(text string) (built, skipped, failed int, err error) {
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return 0, 0, 0, err
	}
	count := map[string]int{}
	for _, line := range lines[1:] {
		status, _, _ := strings.Cut(line[1], "_") // why one is skipped follows
		count[status]++
	}
	return count["built"], count["skipped"], count["failed"], nil
}

func readJUnit(text string) (built, skipped, failed int, err error) {
	var r struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []struct {
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(text), &r); err != nil {
		return 0, 0, 0, err
	}
	for _, suite := range r.Suites {
		for _, c := range suite.Cases {
			switch {
			case c.Failure != nil:
				failed++
			case c.Skipped != nil:
				skipped++
			default:
				built++
			}
		}
	}
	if built+skipped+failed != r.Tests || failed != r.Failures {
		err = fmt.Errorf("it counts %d tests and %d failures", r.Tests, r.Failures)
	}
	return built, skipped, failed, err
}

// readPage reads the table of all jobs.
func readPage(text string) (built, skipped, failed int, err error) {
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return 0, 0, 0, err
	}
	var words []string
	for node := range root.Descendants() {
		if node.Type == html.TextNode {
			words = append(words, strings.Fields(node.Data)...)
		}
	}
	return readCounts(`(?s)images are there.* built (\d+) there before (\d+) failed (\d+) `)(strings.Join(words, " "))
}

// readTrace reads the jobs of a trace.
func readTrace(text string) (built, skipped, failed int, err error) {
	var r struct {
		Events []struct {
			Name, Cat, Ph string
			Args          map[string]any
		} `json:"traceEvents"`
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return 0, 0, 0, err
	}
	count := map[string]int{}
	for _, e := range r.Events {
		if e.Ph == "" {
			err = fmt.Errorf("an event %+v", e)
		}
		if e.Cat == "job" {
			status, _, _ := strings.Cut(fmt.Sprint(e.Args["status"]), "_") // why one is skipped follows
			count[status]++
		}
	}
	return count["built"], count["skipped"], count["failed"], err
}

// readGitHub reads commands as GitHub's runner does.
func readGitHub(text string) (built, skipped, failed int, err error) {
	for line := range strings.Lines(text) {
		found := regexp.MustCompile(`^::error (?:file=[^:]+,line=\d+,)?title=(\d+) images? failed[^:]*::.+\n$`).FindStringSubmatch(line)
		if found == nil {
			return 0, 0, 0, fmt.Errorf("no command: %q", line)
		}
		var jobs int
		if _, err := fmt.Sscan(found[1], &jobs); err != nil {
			return 0, 0, 0, err
		}
		failed += jobs
	}
	return -1, -1, failed, nil
}
