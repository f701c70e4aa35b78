package cli

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// tasks writes a task for each base image, and returns the flags that build them.
func (w *workbench) tasks(bases ...string) []string {
	for i, base := range bases {
		w.write(fmt.Sprintf("tasks/task-%d/Dockerfile", i), "FROM "+base+"\nRUN true\n")
	}
	return []string{"--each", "tasks/*/Dockerfile", "-t", w.registry.Host() + "/tasks/{{.Name}}:1", "--push",
		"--builder", w.daemon.Addr(), "--state-dir", w.path("state"), "--output-dir", w.path("out"), "{{.Dir}}"}
}

// checked runs stoker check with JSON, and returns the findings by kind.
func (w *workbench) checked(flags []string) (code int, d check.Document, by map[check.Kind][]check.Finding) {
	w.t.Helper()
	var out, err bytes.Buffer
	code = Main(w.t.Context(), "test", append([]string{"check", "--format", "json"}, flags...), Streams{In: strings.NewReader(""), Out: &out, Err: &err})
	if e := json.Unmarshal(out.Bytes(), &d); e != nil {
		w.t.Fatalf("%v\n%s\n%s", e, out.String(), err.String())
	}
	by = map[check.Kind][]check.Finding{}
	for _, f := range d.Findings {
		by[f.Kind] = append(by[f.Kind], f)
	}
	return code, d, by
}

// Everything that can be wrong with base images and registries is found at once, each
// image is asked for once, and nothing is left behind.
func TestCheck(t *testing.T) {
	w := newWorkbench(t, small(1, 1))
	t.Chdir(w.dir)
	host, other := w.registry.Host(), "linux/arm64"
	if runtime.GOARCH == "arm64" {
		other = "linux/amd64"
	}
	there := labtest.Image(t, w.registry, lab.Image{Name: "example/there:1.25"}).Ref
	foreign := labtest.Image(t, w.registry, lab.Image{Name: "example/foreign:1", Platform: other}).Ref
	index := labtest.Index(t, w.registry, "example/index:1", lab.Image{Platform: other}).Ref
	slip, gone := host+"/example/there:1.26", host+"/example/theer:1"
	flags := w.tasks(there, slip, slip, gone, foreign, index, there, there)
	w.write("tasks/task-7/Dockerfile", "FROM "+there+"\nCOPY none* Dockerfile /x/\n") // a pattern may match nothing
	code, out := runStoker(t.Context(), append([]string{"build", "--check-first", "--progress", "plain", "--where", `Name == "task-7"`}, flags...)...)
	if code != ExitOK || strings.Contains(out, "fault") {
		t.Fatalf("a build without faults: exit code %d\n%s", code, out)
	}
	defer w.registry.Inject(lab.Fault{Method: http.MethodPost, Kind: lab.KindUpload, Repo: "tasks/task-6", Status: http.StatusForbidden})()
	w.registry.Reset()

	w.checkedChain(there)
	w.checkedDemands(there)
	w.registry.Reset()

	code, d, by := w.checked(flags)
	if code != ExitFailed || d.OK || d.Jobs != 8 || d.Existing != 1 {
		t.Errorf("exit code %d, %+v", code, d)
	}
	type want struct {
		severity check.Severity
		text     string
		jobs     string
	}
	for kind, wants := range map[check.Kind][]want{
		check.Image: {
			{check.Fault, gone + " does not exist; " + host + " has no repository example/theer; did you mean " + host + "/example/there?", "task-3"},
			{check.Fault, slip + " does not exist; did you mean " + there + "?", "task-1 task-2"},
			{check.Fault, index + " is not there for ", "task-5"},
			{check.Warning, foreign + " is an image for " + other + ", where one for ", "task-4"},
		},
		check.Push: {{check.Fault, "pushing to " + host + "/tasks/task-6 is not allowed: ", "task-6"}},
	} {
		found := by[kind]
		slices.SortStableFunc(found, func(a, b check.Finding) int {
			return strings.Compare(string(a.Severity)+a.Text, string(b.Severity)+b.Text)
		})
		slices.SortStableFunc(wants, func(a, b want) int { return strings.Compare(string(a.severity)+a.text, string(b.severity)+b.text) })
		if len(found) != len(wants) {
			t.Errorf("%s: %+v", kind, found)
			continue
		}
		for i, f := range found {
			if w := wants[i]; f.Severity != w.severity || !strings.HasPrefix(f.Text, w.text) || strings.Join(f.Jobs, " ") != w.jobs {
				t.Errorf("%+v, want %+v", f, w)
			}
			if kind == check.Image && (len(f.Places) != len(f.Jobs) || f.Places[0] != check.Place{File: filepath.Join("tasks", f.Jobs[0], "Dockerfile"), Line: 1}) {
				t.Errorf("%s is at %v", f.Text, f.Places)
			}
		}
	}
	if len(by[check.Build]) != 0 || len(by[check.Input]) != 0 || len(by[check.Output]) != 0 {
		t.Errorf("more was found: %+v", d.Findings)
	}
	if requests := w.registry.Requests(); requests.Uploads() != 0 || requests.ByStatus[http.StatusNoContent] != 6 {
		t.Errorf("%d uploads were made, %d cancelled", requests.Uploads(), requests.ByStatus[http.StatusNoContent])
	}
	if _, err := os.Stat(w.path("out/logs/task-0")); err == nil {
		t.Error("something was built")
	}
	w.checkedFirst(flags)
}

// checkedChain makes sure that it is no fault where a job is built on what another makes,
// and one where a context does not have what is copied of it.
func (w *workbench) checkedChain(base string) {
	w.t.Helper()
	root := w.registry.Host() + "/dep/root:7"
	w.write("dep/root/Dockerfile", "FROM "+base+"\n")
	w.write("dep/a/Dockerfile", "FROM "+root+"\nRUN true\n")
	w.write("dep/b/Dockerfile", "FROM "+root+"\nCOPY Dockerfile nothere none* /x/\n")
	w.write("dep/c/Dockerfile", "FROM "+base+"\n\nCOPY ./nothere /x/\n")
	code, d, _ := w.checked([]string{"--each", "dep/*/Dockerfile", "-t", w.registry.Host() + "/dep/{{.Name}}:7", "--push",
		"--builder", w.daemon.Addr(), "--state-dir", w.path("state"), "--output-dir", w.path("out"), "{{.Dir}}"})
	made := slices.ContainsFunc(d.Findings, func(f check.Finding) bool {
		return f.Severity == check.Unknown && strings.Contains(f.Text, "the image "+root+" is made by the job root")
	})
	if code != ExitFailed || d.Faults != 1 || !made {
		w.t.Fatalf("exit code %d, %+v", code, d)
	}
	f, want := d.Findings[0], []check.Place{{File: filepath.Join("dep", "b", "Dockerfile"), Line: 2}, {File: filepath.Join("dep", "c", "Dockerfile"), Line: 3}}
	if f.Text != "/nothere is copied, and not in the build context" || strings.Join(f.Jobs, " ") != "b c" || !slices.Equal(f.Places, want) {
		w.t.Errorf("%+v", f)
	}
}

// checkedDemands makes sure that what the builder says steps demand is looked for: what is
// not required is no fault, nor is what is given, nor a server that does not answer.
func (w *workbench) checkedDemands(base string) {
	w.t.Helper()
	web := httptest.NewServer(http.StripPrefix("/there", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == r.RequestURI { // nothing was stripped
			http.NotFound(rw, r)
		}
	})))
	defer web.Close()
	silent := httptest.NewServer(nil)
	silent.Close()
	w.write("demands/wrong/Dockerfile", "FROM "+base+`
RUN --mount=type=secret,id=one,required true
RUN --mount=type=secret,id=two,env=TWO,required=true --mount=type=secret,id=three true
RUN --mount=type=ssh,required true
RUN --mount=type=ssh,id=other true
RUN --security=insecure true
RUN --network=host true
ADD `+web.URL+`/none `+web.URL+`/there/a `+silent.URL+`/b /
`)
	w.write("demands/given/Dockerfile", "FROM "+base+"\nRUN --mount=type=secret,id=four,required --network=host true\nADD "+web.URL+"/there/b /\n")
	w.write("four", "4444")
	given := []string{"-t", w.registry.Host() + "/demands/{{.Name}}:1", "--push", "--secret", "id=four,src=four", "--each", "demands/given/Dockerfile",
		"--builder", w.daemon.Addr(), "--state-dir", w.path("state"), "--output-dir", w.path("out"), "{{.Dir}}"}
	all := slices.Clone(given)
	all[slices.Index(all, "--each")+1] = "demands/*/Dockerfile"
	code, d, _ := w.checked(all)
	wrong, at := []string{"wrong"}, func(line int) check.Place {
		return check.Place{File: filepath.Join("demands", "wrong", "Dockerfile"), Line: line}
	}
	wants := []check.Finding{
		{Severity: check.Fault, Kind: check.Build, Text: "a step may not be built without --allow network.host", Jobs: []string{"given", "wrong"}, Places: []check.Place{{File: filepath.Join("demands", "given", "Dockerfile"), Line: 2}, at(7)}},
		{Severity: check.Fault, Kind: check.Build, Text: "a step may not be built without --allow security.insecure", Jobs: wrong, Places: []check.Place{at(6)}},
		{Severity: check.Fault, Kind: check.Build, Text: web.URL + "/none is not there: its server says 404 Not Found", Jobs: wrong, Places: []check.Place{at(8)}},
		{Severity: check.Fault, Kind: check.Secret, Text: `a step requires the secret "one", and no --secret has that id`, Jobs: wrong, Places: []check.Place{at(2)}},
		{Severity: check.Fault, Kind: check.Secret, Text: `a step requires the secret "two", and no --secret has that id`, Jobs: wrong, Places: []check.Place{at(3)}},
		{Severity: check.Fault, Kind: check.Secret, Text: `a step requires SSH keys "default", and no --ssh has that id`, Jobs: wrong, Places: []check.Place{at(4)}},
		{Severity: check.Unknown, Kind: check.Build, Text: "whether files of " + silent.Listener.Addr().String() + " are there: ", Jobs: wrong, Places: []check.Place{at(8)}},
	}
	if code != ExitFailed || len(d.Findings) != len(wants) {
		w.t.Fatalf("exit code %d, %+v", code, d.Findings)
	}
	for i, want := range wants {
		if f := d.Findings[i]; f.Severity != want.Severity || f.Kind != want.Kind || !strings.HasPrefix(f.Text, want.Text) || !slices.Equal(f.Jobs, want.Jobs) || !slices.Equal(f.Places, want.Places) {
			w.t.Errorf("%+v, want %+v", f, want)
		}
	}
	// The builder itself allows it to nobody.
	for _, flags := range [][]string{{"--allow", "network.host"}, {"--network", "host"}} {
		_, d, by := w.checked(append(flags, given...))
		if d.Faults != 1 || len(by[check.Build]) != 1 || !strings.Contains(by[check.Build][0].Text, "network.host is not allowed by build daemon configuration") {
			w.t.Errorf("%q: %+v", flags, d.Findings)
		}
	}
}

// checkedFirst makes sure that a build with faults builds nothing, and that the other
// formats tell of them.
func (w *workbench) checkedFirst(flags []string) {
	t := w.t
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_WORKSPACE", w.dir)
	code, out := runStoker(t.Context(), append([]string{"build", "--check-first", "--fresh"}, flags...)...)
	if code != ExitFailed || strings.Contains(out, "[1/8]") || !strings.Contains(out, "\nnothing was built") ||
		!strings.Contains(out, "\n::error file=tasks/task-3/Dockerfile,line=1,title=") {
		t.Errorf("--check-first: exit code %d\n%s", code, out)
	}
	t.Setenv("GITHUB_ACTIONS", "")
	var text, junit bytes.Buffer
	streams := Streams{In: strings.NewReader(""), Out: &text, Err: &bytes.Buffer{}}
	if code := Main(t.Context(), "test", append([]string{"check"}, flags...), streams); code != ExitFailed ||
		!strings.HasSuffix(text.String(), "\nchecked 7 jobs: 4 faults in 5 jobs, 1 warning; 1 of 8 jobs not looked at, since its image exists: --force looks at all\n") {
		t.Errorf("exit code %d\n%s", code, text.String())
	}
	streams.Out = &junit
	code = Main(t.Context(), "test", append([]string{"check", "--format", "junit"}, flags...), streams)
	var suites struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(junit.Bytes(), &suites); err != nil || code != ExitFailed || suites.Suite.Tests != 8 || suites.Suite.Failures != 5 {
		t.Errorf("exit code %d, %v\n%s", code, err, junit.String())
	}
}

// What is wrong with the input is a finding, and ends with exit code 1; a flag that makes
// no sense ends with 2 as everywhere. Without a builder the registries are asked all the
// same, and what only a builder knows is not known.
func TestCheckWithoutBuilder(t *testing.T) {
	w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
	t.Chdir(w.dir)
	t.Setenv("STOKER_TEST_NOT_SET", "")
	os.Unsetenv("STOKER_TEST_NOT_SET")
	w.daemon = &lab.Buildkitd{}
	there := labtest.Image(t, w.registry, lab.Image{Name: "example/there:1"}).Ref
	defer w.registry.Inject(lab.Fault{Kind: lab.KindManifest, Header: lab.LimitHeader(100, 1, time.Hour)})()
	flags := w.tasks(there, w.registry.Host()+"/example/gone:1")
	flags[slices.Index(flags, "--builder")+1] = "unix:///does/not/exist.sock"
	w.write("file", "")
	code, d, by := w.checked(append([]string{"--secret", "id=token,env=STOKER_TEST_NOT_SET", "--force"}, append(flags, "--output-dir", "file/out")...))
	if code != ExitFailed || d.OK {
		t.Errorf("exit code %d, %+v", code, d)
	}
	for _, want := range []check.Finding{
		{Severity: check.Fault, Kind: check.Builder, Text: "unix:///does/not/exist.sock"},
		{Severity: check.Unknown, Kind: check.Image, Text: "no builder was reached"},
		{Severity: check.Fault, Kind: check.Quota, Text: "lets 1 of 100 pulls be made in 1h, and up to 2 images are read from there"},
		{Severity: check.Warning, Kind: check.Secret, Text: "the variable STOKER_TEST_NOT_SET is not set"},
		{Severity: check.Fault, Kind: check.Output, Text: `--output-dir: "file/out" cannot be written: `},
	} {
		if !slices.ContainsFunc(by[want.Kind], func(f check.Finding) bool { return f.Severity == want.Severity && strings.Contains(f.Text, want.Text) }) {
			t.Errorf("%+v is missing in %+v", want, d.Findings)
		}
	}
	w.write("Dockerfile", "FROM "+there+"\nARG ID\n")
	w.write("rows.jsonl", `{"id":"a","file":"Dockerfile"}`+"\n"+`{"x":1,"id":"c","file":"bad"}`+"\n")
	rows := []string{"--rows", "rows.jsonl", "-t", "r.example/a:{{.x}}", "--build-arg", "ID={{.id}}", "--push", "."}
	w.write("bad", "FROM "+there+"\nBAD x\n")
	code, d, by = w.checked(append([]string{"-f", "{{.file}}"}, rows...))
	found := by[check.Input]
	if code != ExitFailed || d.Jobs != 2 || len(d.Findings) != 2 || len(found) != 2 || !strings.HasPrefix(found[0].Text, "-t ") ||
		!slices.Equal(found[0].Jobs, []string{"a"}) || !slices.Equal(found[0].Places, []check.Place{{File: "rows.jsonl", Line: 1}}) ||
		!slices.Equal(found[1].Jobs, []string{"c"}) || !slices.Equal(found[1].Places, []check.Place{{File: "bad", Line: 2}}) || found[1].Hint != "" {
		t.Errorf("exit code %d, %+v", code, d)
	}
	if code, out := runStoker(t.Context(), append([]string{"check", "--workers", "0"}, rows...)...); code != ExitUsage {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if code, out := runStoker(t.Context(), append([]string{"check", "--format", "table"}, rows...)...); code != ExitUsage || !strings.Contains(out, "use text, json, markdown, junit or sarif") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
