package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/show"
)

// TestToldAlike has one run on two nodes, of which jobs are built, skipped, tried again and
// failed, and caches swept. Whatever tells of it tells the same, and nothing that a step printed
// is a command for GitHub, which runs it.
func TestToldAlike(t *testing.T) {
	w := newWorkbench(t, small(2, 3))
	second := labtest.Buildkitd(t, w.registry)
	bad, flaky := w.bases[1].Name, w.bases[2].Name
	t.Setenv("THE_SECRET", "s3cret-of-a-step")
	w.write("ctx/Dockerfile", strings.Replace(agentDockerfile, "RUN ", fmt.Sprintf(`RUN --mount=type=secret,id=key if [ -e /testbed/%s.txt ]; then \
  cat /run/secrets/key; echo; echo "::stop-commands::halt"; echo "a ##[add-mask]b"; exit 3; fi
RUN `, bad), 1))
	both := []string{"--builder", w.daemon.Addr(), "--builder", second.Addr(), "--secret", "id=key,env=THE_SECRET"}
	if code, out := w.build(t.Context(), append(both, "--limit", "1")...); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.write("bases.txt", w.registry.Host()+"/swebench/does-not-exist:latest\n"+w.read("bases.txt"))
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_WORKSPACE", w.dir)
	t.Setenv("GITHUB_STEP_SUMMARY", w.write("step.md", "before\n"))
	t.Chdir(w.dir)
	hook := fmt.Sprintf(`if [ $STOKER_IMAGE_NAME = %s ] && [ ! -e %[2]s ]; then touch %[2]s; exit 7; fi`, flaky, w.path("flaked"))
	code, out := w.build(t.Context(), append(both, "--retries", "1", "--post-build", hook, "--batch-size", "2", "--prune", "completed", "--metrics-textfile", w.path("run.prom"))...)
	s := w.summary()
	if code != ExitFailed || s.Built != 4 || s.Skipped != 1 || s.Failed != 2 || s.Retried != 2 || s.Prune.ReclaimedRecords == 0 || len(s.Nodes) != 2 {
		t.Fatalf("exit code %d, %+v\n%s", code, s, out)
	}
	w.checkNumbers("run.prom", out)
	w.checkOnGitHub(out)
	w.checkFormats()
}

// checkNumbers makes sure that what a run tells of itself is told alike by its record, its
// metrics in a file, its page, stoker status, stoker report, and the plain text that it wrote.
func (w *workbench) checkNumbers(metrics, plain string) {
	w.t.Helper()
	s, of := w.summary(), metricsOf(w.t, w.read(metrics))
	var status show.Status
	var reported report.Report
	for command, to := range map[string]any{"status": &status, "report": &reported} {
		_, text := runStoker(w.t.Context(), command, "--format", "json", w.path("out"))
		if err := json.Unmarshal([]byte(text), to); err != nil {
			w.t.Fatalf("%s: %v\n%s", command, err, text)
		}
	}
	type numbers map[string]int
	record := numbers{"built": s.Built, "skipped": s.Skipped, "failed": s.Failed, "unfinished": s.Unfinished, "total": s.Total, "reclaimed": int(s.Prune.ReclaimedBytes), "pulled": int(*s.PulledBytes)}
	for who, told := range map[string]numbers{
		"status": {"built": status.Built, "skipped": status.Skipped, "failed": status.Failed, "unfinished": status.Unfinished, "total": status.Total, "reclaimed": int(status.Reclaimed), "pulled": int(*status.Pulled)},
		"the report": {"built": reported.Built, "skipped": reported.Skipped, "failed": reported.Failed, "unfinished": reported.Unfinished, "total": reported.Total,
			"reclaimed": int(*reported.ReclaimedBytes), "pulled": int(*reported.PulledBytes)},
		"metrics": {"built": of(`stoker_jobs{.*"built"}`), "skipped": of(`stoker_jobs{.*"skipped"}`), "failed": of(`stoker_jobs{.*"failed"}`), "unfinished": of(`stoker_jobs{.*"unfinished"}`),
			"total": of(`stoker_jobs_planned`), "reclaimed": of(`stoker_sweep_reclaimed_bytes_total{.*}`), "pulled": of(`stoker_pulled_bytes_total{.*}`)},
	} {
		if !maps.Equal(told, record) {
			w.t.Errorf("the record has %v, %s %v", record, who, told)
		}
	}
	attempts, pushed := w.madeIn()
	p := s.Prune
	names := []string{`stoker_jobs_retried_total`, `stoker_attempts_total{.*}`, `stoker_jobs_pushed_total`, `stoker_forecast_pull_bytes`,
		`stoker_sweep_reclaimed_records_total{.*}`, `stoker_sweep_slices_total{.*}`, `stoker_sweep_refused_records_total{.*}`, `stoker_sweep_live_removed_records_total{.*}`}
	for i, want := range []int{s.Retried, attempts, pushed, int(*s.ForecastPullBytes), p.ReclaimedRecords, p.Slices, p.RefusedRecords, p.LiveRemovedRecords} {
		if got := of(names[i]); got != want {
			w.t.Errorf("the record has %d, metrics have %s %d", want, names[i], got)
		}
	}
	if n := len(events[journal.AttemptStarted](w, "attempt_started")); n != attempts {
		w.t.Errorf("%d attempts began, the manifest has %d", n, attempts)
	}
	w.checkTime(s, status, reported, of)
	w.checkWords(s, plain)
}

// madeIn counts the attempts and the images that went to a registry, by the manifest.
func (w *workbench) madeIn() (attempts, pushed int) {
	for _, e := range w.manifest() {
		attempts += e.AttemptCount
		if e.Pushed != nil && *e.Pushed {
			pushed++
		}
	}
	return attempts, pushed
}

// checkTime makes sure that all tell how long the run took alike. Status and metrics count until
// its end is told, which is when it is written down.
func (w *workbench) checkTime(s ledger.Summary, status show.Status, r report.Report, of func(string) int) {
	w.t.Helper()
	const rounded = 1.01 // times are on record by the second
	measured := float64(of(`stoker_run_end_time_seconds`) - of(`stoker_run_start_time_seconds`))
	if r.RunSeconds != s.WallClockSeconds || math.Abs(r.WallClockSeconds-s.WallClockSeconds) > rounded {
		w.t.Errorf("the run took %g s by its record, %g and %g s by the report", s.WallClockSeconds, r.RunSeconds, r.WallClockSeconds)
	}
	if math.Abs(measured-status.ElapsedSeconds) > rounded || status.ElapsedSeconds < s.WallClockSeconds-rounded {
		w.t.Errorf("the run took %g s by its record, %g s by status, %g s by metrics", s.WallClockSeconds, status.ElapsedSeconds, measured)
	}
}

// checkWords makes sure that what people read has the numbers of the record.
func (w *workbench) checkWords(s ledger.Summary, plain string) {
	w.t.Helper()
	reclaimed, toPull, pulled, peak := bytesize.Text(s.Prune.ReclaimedBytes), bytesize.Text(*s.ForecastPullBytes), bytesize.Text(*s.PulledBytes), "cache at most "+bytesize.Text(s.Cache.PeakBytes)
	if s.Space != nil && s.Space.PeakBytes > 0 {
		peak = "at most, of " + bytesize.Text(s.Space.HighBytes) + " " + bytesize.Text(s.Space.PeakBytes)
	}
	page := wordsOf(w.t, w.read("out/report.html"))
	took := (time.Duration(s.WallClockSeconds * float64(time.Second))).Round(time.Second)
	for where, wants := range map[string][]string{
		page: {fmt.Sprintf("%d of %d images are there", s.Built+s.Skipped, s.Total), fmt.Sprintf(" built %d there before %d failed %d ", s.Built, s.Skipped, s.Failed),
			" reclaimed " + reclaimed, " to pull " + toPull, " pulled " + pulled, peak},
		plain: {fmt.Sprintf("%d of %d images built", s.Built, s.Total), fmt.Sprintf("%d failed", s.Failed), fmt.Sprintf("%d jobs retried", s.Retried), reclaimed + " reclaimed", pulled + " pulled"},
		w.read("out/summary.md"): {fmt.Sprintf("| Built | %d |", s.Built), fmt.Sprintf("| Skipped | %d |", s.Skipped), fmt.Sprintf("| Failed | %d |", s.Failed), fmt.Sprintf("| Retried | %d |", s.Retried),
			"| Pulled | " + pulled + " |", fmt.Sprintf("| %s of %s dead |", reclaimed, bytesize.Text(s.Prune.DeadBytes)), ", " + bytesize.Text(s.Cache.PeakBytes) + ", ",
			fmt.Sprintf("\nimages there, of %d; x: %d failed\n", s.Total, s.Failed)},
	} {
		for _, want := range wants {
			if !strings.Contains(where, want) {
				w.t.Errorf("%q is not in\n%s", want, where)
			}
		}
	}
	if took > time.Minute && !strings.Contains(w.read("out/summary.md"), "| Wall clock | "+took.String()+" |") {
		w.t.Errorf("it took %s, and not by\n%s", took, w.read("out/summary.md"))
	}
}

// workflowCommand is what GitHub's runner takes for one.
var workflowCommand = regexp.MustCompile(`(?m)^[ \t]*::.*|.*##\[.*`)

// checkOnGitHub makes sure that a run told GitHub of its failures, and of nothing else.
func (w *workbench) checkOnGitHub(out string) {
	w.t.Helper()
	found := workflowCommand.FindAllString(out, -1)
	if len(found) != 2 {
		w.t.Errorf("%d commands: %q", len(found), found)
	}
	all := strings.Join(found, "\n")
	for _, want := range []string{"::error file=ctx/Dockerfile,line=6,title=1 image failed%3A RUN ", "%0A| ::stop-commands::halt%0A| a ##[add-mask]b"} {
		if !strings.Contains(all, want) {
			w.t.Errorf("there is no %q in %s", want, all)
		}
	}
	_, text := runStoker(w.t.Context(), "report", "--format", "github", w.path("out"))
	reported := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(reported)
	slices.Sort(found)
	if !slices.Equal(reported, found) {
		w.t.Errorf("the report tells GitHub\n%s\nthe run told\n%s", text, all)
	}
	page := w.read("step.md")
	if !strings.HasPrefix(page, "before\n## Stoker: 5 of 7 images, 2 failed\n") || !strings.Contains(page, "images there, of 7; x: 2 failed\n") {
		w.t.Errorf("the job's page:\n%s", page)
	}
	for name, text := range map[string]string{"the output": out, "the page": page, "commands": text} {
		if strings.Contains(text, os.Getenv("THE_SECRET")) {
			w.t.Errorf("a secret is in %s:\n%s", name, text)
		}
	}
	if !strings.Contains(all, "[redacted]") {
		w.t.Errorf("nothing was redacted in %s", all)
	}
}

// metricsOf adds up the numbers in a text of metrics whose name matches.
func metricsOf(t *testing.T, text string) func(name string) int {
	return func(name string) int {
		t.Helper()
		found := regexp.MustCompile(`(?m)^`+name+` (\S+)$`).FindAllStringSubmatch(text, -1)
		if found == nil {
			t.Fatalf("there is no %s in\n%s", name, text)
		}
		sum := 0.0
		for _, number := range found {
			n, err := strconv.ParseFloat(number[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		return int(sum)
	}
}

// wordsOf is what a page says, a space between its elements.
func wordsOf(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "script" && node.Parent.Data != "style" {
			words = append(words, strings.Fields(node.Data)...)
		}
	}
	return strings.Join(words, " ")
}
