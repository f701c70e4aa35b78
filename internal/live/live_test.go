package live

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// runOf is a run of jobs of which nothing has happened yet, and its directory.
func runOf(t *testing.T, jobs ...string) (*Run, string) {
	t.Helper()
	dir := t.TempDir()
	record := ledger.Record{Dir: dir, Writing: true, Run: ledger.RunRecord{JobCount: len(jobs)}}
	for _, name := range jobs {
		record.Run.Plan.Jobs = append(record.Run.Plan.Jobs, ledger.PlanJob{Name: name})
	}
	run := NewRun(record)
	run.Apply(time.Now(), journal.RunStarted{Jobs: len(jobs), Workers: 2, Nodes: []string{"node"}})
	return run, dir
}

func serve(t *testing.T, run *Run) *Server {
	t.Helper()
	s, err := Serve("127.0.0.1:0", run)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// addressOf is where a server can be asked on this machine.
func addressOf(s *Server) string {
	_, port, _ := net.SplitHostPort(s.at.String())
	return net.JoinHostPort("127.0.0.1", port)
}

func get(t *testing.T, address string) (int, string, http.Header) {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body), answer.Header
}

// told reads events of the page until one of a kind comes.
func told(t *testing.T, events *bufio.Scanner, kind string, into any) {
	t.Helper()
	for events.Scan() {
		if events.Text() != "event: "+kind {
			continue
		}
		events.Scan()
		if err := json.Unmarshal([]byte(strings.TrimPrefix(events.Text(), "data: ")), into); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no event %q came: %v", kind, events.Err())
}

func TestFollow(t *testing.T) {
	run, _ := runOf(t, "a", "b")
	s := serve(t, run)
	if code, body, _ := get(t, s.URL()); code != http.StatusOK || !strings.Contains(body, `data-rows="0"`) || !strings.Contains(body, "0 of 2 images are there so far") {
		t.Fatalf("the page: %d\n%s", code, body)
	}
	answer, err := http.Get(s.URL() + "events?rows=0&run=" + run.name())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	events := bufio.NewScanner(answer.Body)
	events.Buffer(nil, 1<<20)
	var parts map[string]string
	told(t, events, "parts", &parts)
	if !strings.Contains(parts["now"], "No job is at work") {
		t.Errorf("at first: %s", parts["now"])
	}
	run.Apply(time.Now(), journal.JobStarted{Job: "a", Node: "node"})
	run.Apply(time.Now(), journal.StepStarted{Job: "a", Step: "RUN <make>"})
	told(t, events, "parts", &parts)
	if !strings.Contains(parts["now"], "RUN &lt;make&gt;") {
		t.Errorf("then: %s", parts["now"])
	}
	run.Apply(time.Now(), journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Built, Time: ledger.Time{Time: time.Now()}}})
	var rows []string
	told(t, events, "rows", &rows)
	if len(rows) != 1 || !strings.Contains(rows[0], ">a</td>") {
		t.Errorf("rows %q", rows)
	}
	run.Apply(time.Now(), journal.RunFinished{Summary: ledger.Summary{Total: 2, Built: 1, Unfinished: 1}})
	told(t, events, "parts", &parts)
	if !strings.Contains(parts["head"], "1 of 2 images") || strings.Contains(parts["head"], "so far") {
		t.Errorf("in the end: %s", parts["head"])
	}
	var end bool
	told(t, events, "end", &end)
}

func TestLog(t *testing.T) {
	run, dir := runOf(t, "a")
	s := serve(t, run)
	log := func(job string, from int) (int, string, http.Header) {
		return get(t, fmt.Sprintf("%slog?job=%s&from=%d", s.URL(), url.QueryEscape(job), from))
	}
	if code, _, _ := log("a", 0); code != http.StatusNotFound {
		t.Errorf("before an attempt: %d", code)
	}
	path := filepath.Join(dir, "logs", "a", "attempt-1.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run.Apply(time.Now(), journal.AttemptStarted{Job: "a", Attempt: 1, Log: "elsewhere/logs/a/attempt-1.log"})
	if code, text, head := log("a", 4); code != http.StatusOK || text != "two\n" || head.Get("Stoker-To") != "8" {
		t.Errorf("the log: %d %q %v", code, text, head)
	}
	if _, text, head := log("a", 100); text != "one\ntwo\n" || head.Get("Stoker-From") != "0" {
		t.Errorf("a shorter log: %q %v", text, head)
	}
	// Another attempt's log is not read on where the earlier one was.
	later := filepath.Join(dir, "logs", "a", "attempt-2.log")
	if err := os.WriteFile(later, []byte("three\nfour\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run.Apply(time.Now(), journal.AttemptStarted{Job: "a", Attempt: 2, Log: "elsewhere/logs/a/attempt-2.log"})
	for of, want := range map[string]string{"attempt-1.log": "three\nfour\n", "attempt-2.log": "four\n"} {
		if _, text, head := get(t, s.URL()+"log?job=a&from=6&of="+of); text != want || head.Get("Stoker-Log") != "attempt-2.log" {
			t.Errorf("who has read %s gets %q %v", of, text, head)
		}
	}
	if err := os.Remove(later); err != nil {
		t.Fatal(err)
	}
	// What is no log of the run is not shown, whatever its events say.
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "logs", "a", "attempt-2.log")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{secret, "logs/a/attempt-2.log", "logs/../../secret"} {
		run.Apply(time.Now(), journal.AttemptStarted{Job: "a", Attempt: 2, Log: path})
		if code, text, _ := log("a", 0); code == http.StatusOK {
			t.Errorf("%s: %q", path, text)
		}
	}
}

func TestWhoMayLook(t *testing.T) {
	run, _ := runOf(t, "a")
	s := serve(t, run)
	request := func(s *Server, path, host, method string) int {
		r, err := http.NewRequest(method, "http://"+addressOf(s)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	for _, c := range []struct {
		path, host, method string
		want               int
	}{
		{"/", "localhost:1", "GET", http.StatusOK},
		{"/", "127.0.0.1", "GET", http.StatusOK},
		{"/", "[::1]:8080", "GET", http.StatusOK},
		{"/", "evil.example", "GET", http.StatusForbidden},
		{"/log", "evil.example:80", "GET", http.StatusForbidden},
		{"/metrics", "evil.example:80", "GET", http.StatusForbidden},
		{"/", "localhost", "POST", http.StatusMethodNotAllowed},
		{"/else", "localhost", "GET", http.StatusNotFound},
	} {
		if code := request(s, c.path, c.host, c.method); code != c.want {
			t.Errorf("%s %s of %s: %d, want %d", c.method, c.path, c.host, code, c.want)
		}
	}

	open, err := Serve("0.0.0.0:0", run)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if code := request(open, "/", "anywhere", "GET"); code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", code)
	}
	if code := request(open, "/?token=wrong", "anywhere", "GET"); code != http.StatusUnauthorized {
		t.Errorf("with a wrong token: %d", code)
	}
	for authorization, want := range map[string]int{
		"": http.StatusUnauthorized, "Bearer wrong": http.StatusUnauthorized, "Basic " + open.token: http.StatusUnauthorized,
		"Bearer " + open.token: http.StatusOK, "bearer " + open.token: http.StatusOK,
	} {
		scrape, err := http.NewRequest(http.MethodGet, "http://"+addressOf(open)+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		scrape.Header.Set("Authorization", authorization)
		answer, err := http.DefaultClient.Do(scrape)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if got := answer.StatusCode; got != want || (got == http.StatusOK) != strings.Contains(string(text), "stoker_jobs_planned 1\n") {
			t.Errorf("a scraper with %q: %d, want %d\n%s", authorization, got, want, text)
		}
	}
	if !strings.Contains(open.URL(), "?token="+open.token) || len(open.token) < 20 {
		t.Errorf("the address is %s", open.URL())
	}
	answer, err := http.Get("http://" + addressOf(open) + "/?token=" + open.token)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || len(answer.Cookies()) != 1 {
		t.Fatalf("with the token: %d, %v", answer.StatusCode, answer.Cookies())
	}

	// A browser that looks at another run of the host, too, may look at both.
	other, err := Serve("0.0.0.0:0", run)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	jar, _ := cookiejar.New(nil) // which never fails
	browser := http.Client{Jar: jar}
	for _, path := range []string{"/?token=", "/"} {
		for _, s := range []*Server{open, other} {
			address := "http://" + addressOf(s) + path
			if path != "/" {
				address += s.token
			}
			answer, err := browser.Get(address)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s of two pages: %d", address, answer.StatusCode)
			}
		}
	}
}

// A viewer that takes nothing keeps neither others nor the end from being told.
func TestAStalledViewer(t *testing.T) {
	run, _ := runOf(t, "a")
	s, err := Serve("127.0.0.1:0", run)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		stalled, err := http.Get(s.URL() + "events?rows=0&run=" + run.name())
		if err != nil {
			t.Fatal(err)
		}
		defer stalled.Body.Close()
	}
	for i := range 3000 {
		run.Apply(time.Now(), journal.JobFinished{Entry: ledger.Entry{Name: fmt.Sprintf("%d", i), Status: ledger.Built}})
	}
	if code, _, _ := get(t, s.URL()); code != http.StatusOK {
		t.Errorf("another viewer got %d", code)
	}
	_ = s.Close() // returns
}

func TestAddresses(t *testing.T) {
	run, _ := runOf(t, "a")
	s := serve(t, run)
	for _, address := range []string{"8080", "", "127.0.0.1", addressOf(s), "256.0.0.1:1", "127.0.0.1:99999"} {
		if other, err := Serve(address, run); err == nil {
			other.Close()
			t.Errorf("%q is served", address)
		} else if !strings.Contains(err.Error(), "127.0.0.1:8080") || strings.Contains(err.Error(), "<nil>") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
